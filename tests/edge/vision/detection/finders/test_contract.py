"""What every face finder keeps, whatever is behind it: cascades, YuNet, MTCNN."""

import json
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.schema import DetectorConfig
from edge.errors import DetectorError
from edge.types import Box
from edge.vision.detection.finders.mtcnn import MtcnnFinder
from edge.vision.detection.finders.yunet import YuNetFinder
from support.cascade_finder import CascadeFinder
from support.footage import FOLDER, footage

KINDS = ("haar", "yunet", "mtcnn")
UPRIGHT = "head-pose-face-detection-male.mp4"
THREE_PEOPLE = "face-demographics-walking-and-pause.mp4"
WITHOUT_FACES = "store-aisle-detection.mp4"


@cache
def made(kind):
    """Return a finder; None where its file or package is not here."""
    cv2.setNumThreads(1)
    if kind == "haar":
        return CascadeFinder(DetectorConfig())
    if kind == "yunet":
        files = sorted((FOLDER / "data").glob("face_detection_yunet*.onnx"))
        return YuNetFinder(files[0]) if files else None
    try:
        return MtcnnFinder()
    except DetectorError:  # the extra is not installed
        return None


@pytest.fixture(params=KINDS)
def finder(request):
    return needed(request.param)


def needed(kind):
    found = made(kind)
    if found is None:
        pytest.skip(f"{kind}: its file under {FOLDER} or its package is not here")
    return found


@cache
def frame(name, number):
    """Return one frame in colour, and its reference boxes."""
    capture = cv2.VideoCapture(str(footage(name)))
    for _ in range(number):
        capture.grab()
    _, picture = capture.read()
    boxes = json.loads(footage("faces.json").read_text(encoding="utf-8"))[name][number]
    return picture, [Box(*box[:4]) for box in boxes if box[2] >= 24]


def turned(picture, centre, degrees):
    """Turn a picture clockwise about a point."""
    matrix = cv2.getRotationMatrix2D(centre, -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def in_grey(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize("view", [np.asarray, in_grey], ids=["colour", "grey"])
@pytest.mark.parametrize(("name", "number"), [(UPRIGHT, 10), (THREE_PEOPLE, 28)])
def test_faces_of_the_footage_are_found_in_colour_and_in_grey(finder, name, number, view):
    picture, reference = frame(name, number)
    faces = finder.find(view(picture), 27)
    missed = len(reference) - len(faces)
    # In grey a finder that wants colour may miss one of three.
    assert 0 <= missed <= (1 if view is in_grey and finder.wants_colour and len(reference) > 1 else 0)
    for face in faces:
        assert max(face.box.iou(expected) for expected in reference) >= 0.4
        assert abs(face.roll_degrees) <= 20
        assert 0.3 <= face.score <= 1
        assert face.turn is None or 0 <= face.turn < 0.5


def test_boxes_are_framed_as_the_cascade_frames_a_face():
    picture, _ = frame(UPRIGHT, 10)
    (wanted,) = needed("haar").find(picture, 27)
    for kind in ("yunet", "mtcnn"):
        found = made(kind)
        if found is not None:
            (face,) = found.find(picture, 27)
            assert face.box.width == face.box.height
            assert face.box.width == pytest.approx(wanted.box.width, rel=0.12)
            assert face.box.iou(wanted.box) >= 0.75


@pytest.mark.parametrize("shape", [(270, 480), (270, 480, 3)])
@pytest.mark.parametrize("content", ["black", "grey", "white", "noise"])
def test_picture_without_a_face_has_none(finder, shape, content):
    levels = {"black": 0, "grey": 127, "white": 255}
    noise = np.random.default_rng(16).integers(0, 256, shape, dtype=np.uint8)
    picture = noise if content == "noise" else np.full(shape, levels[content], np.uint8)
    assert finder.find(picture, 27) == []


def test_shelves_are_no_faces(finder):
    picture, reference = frame(WITHOUT_FACES, 20)
    assert reference == []
    assert finder.find(picture, 27) == []


def test_same_picture_gives_the_same_faces_whatever_was_looked_at_before(finder):
    picture, _ = frame(THREE_PEOPLE, 28)
    first = finder.find(picture, 27)
    finder.find(picture[:133, :97], 20)
    assert finder.find(picture, 27) == first
    assert [face.score for face in first] == sorted((face.score for face in first), reverse=True)


def test_faces_smaller_than_the_limit_are_not_returned(finder):
    picture, reference = frame(THREE_PEOPLE, 28)
    sides = [face.box.width for face in finder.find(picture, 27)]
    assert len(sides) == len(reference)
    assert all(face.box.width >= 60 for face in finder.find(picture, 60))
    assert len(finder.find(picture, max(sides) * 1.5)) == 0


def test_picture_is_not_changed(finder):
    picture = frame(UPRIGHT, 10)[0].copy()
    before = picture.copy()
    finder.find(picture, 40)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    smallest=st.floats(1, 300),
    grey=st.booleans(),
    contiguous=st.booleans(),
)
def test_any_size_of_picture_gives_boxes_that_touch_it(kind, height, width, smallest, grey, contiguous):
    found = needed(kind)
    picture = frame(UPRIGHT, 10)[0][40 : 40 + height, 190 : 190 + width]
    picture = in_grey(picture) if grey else picture
    picture = np.ascontiguousarray(picture) if contiguous else picture
    for face in found.find(picture, smallest):
        assert face.box.iou(Box(0, 0, width, height)) > 0
        assert smallest <= face.box.width <= 3 * max(width, height)
        assert -180 <= face.roll_degrees <= 180


@pytest.mark.parametrize("kind", ["yunet", "mtcnn"])
@settings(max_examples=8)
@given(degrees=st.floats(-35, 35))
def test_roll_is_that_by_which_the_picture_was_turned(kind, degrees):
    found = needed(kind)
    picture, (expected,) = frame(UPRIGHT, 10)
    (face,) = found.find(turned(picture, expected.centre, degrees), 27)
    assert face.roll_degrees == pytest.approx(degrees, abs=15)
    assert face.box.iou(expected) >= 0.4


@pytest.mark.parametrize("kind", ["yunet", "mtcnn"])
def test_mirrored_face_has_the_opposite_roll_and_the_same_turn(kind):
    found = needed(kind)
    picture, (expected,) = frame(UPRIGHT, 10)
    tilted = turned(picture, expected.centre, 12)
    (one,), (other,) = found.find(tilted, 27), found.find(np.ascontiguousarray(tilted[:, ::-1]), 27)
    assert one.roll_degrees == pytest.approx(-other.roll_degrees, abs=10)
    assert one.turn == pytest.approx(other.turn, abs=0.15)
