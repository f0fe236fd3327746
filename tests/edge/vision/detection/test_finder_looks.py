"""The looks of a network at frames, with a finder that sees red squares; and with the real ones on footage."""

import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.schema import DetectorConfig, TrackerConfig
from edge.types import Box, Detection, TrackPrediction, Verification
from edge.vision.detection.detector import Detector
from edge.vision.detection.finder_looks import FinderLooks, look_at_still
from edge.vision.detection.finders.face_finder import FoundFace
from edge.vision.detection.look_plan import LookTile
from edge.vision.tracker import Tracker
from support.footage import FOLDER, footage

FPS = 12.5
TURN = 0.25
"""Turn to a side of all red squares."""


class RedSquares:
    """Finds red squares in colour, bright ones in grey; their roll is that of their edges, up to 45 degrees."""

    name = "red"

    def __init__(self, *, wants_colour=True):
        self.wants_colour = wants_colour
        self.looks = 0

    def tile_faces(self, *, colour):
        return 12.0 if colour else 6.0

    def find(self, picture, smallest_px):
        self.looks += 1
        red = picture[:, :, 2].astype(int) - picture[:, :, 0] if picture.ndim == 3 else picture.astype(int) - 100
        contours = cv2.findContours((red > 60).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        found = []
        for contour in contours:
            (x, y), (width, height), angle = cv2.minAreaRect(contour)
            side = max(width, height) + 1
            if side >= smallest_px:
                roll = (angle + 45) % 90 - 45
                found.append(FoundFace(Box(x + 0.5 - side / 2, y + 0.5 - side / 2, side, side), 0.9, roll, TURN))
        return found


def frame(*squares, size=(480, 640)):
    """Draw red squares: centre x, y, side, roll; returns luma, and what decodes it in colour."""
    picture = np.full((*size, 3), 60, np.uint8)
    for x, y, side, roll in squares:
        radians = math.radians(roll)
        corners = [
            (
                x + side / 2 * (a * math.cos(radians) - b * math.sin(radians)),
                y + side / 2 * (a * math.sin(radians) + b * math.cos(radians)),
            )
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        cv2.fillPoly(picture, [np.round(np.array(corners) * 16).astype(np.int32)], (40, 40, 250), shift=4)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), lambda: picture


def square(x, y, side):
    return Box(x - side / 2, y - side / 2, side, side)


def track(box, roll=0.0):
    return TrackPrediction(7, box, 0.0, 1, new=False, confirmed=True, verification=Verification(), roll_degrees=roll)


def looks_at(*squares, **options):
    looks = FinderLooks(RedSquares(**options))
    looks.start_frame(*frame(*squares))
    return looks


@settings(max_examples=40)
@given(
    x=st.floats(100, 540),
    y=st.floats(100, 380),
    side=st.floats(24, 130),  # inside the picture at any roll: edge pixels are repeated
    roll=st.floats(-170, 170),
    shift=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
    ratio=st.floats(0.75, 1.3),
)
def test_lost_face_is_found_where_it_is_whatever_its_roll(x, y, side, roll, shift, ratio):
    looks = looks_at((x, y, side, roll))
    expected = square(x + shift[0] * side, y + shift[1] * side, side * ratio)
    found = looks.find_again(track(expected, roll), [])
    assert found is not None
    assert found.verified
    assert found.searched_id == 7
    assert math.dist(found.box.centre, (x, y)) <= 0.12 * side + 1.5
    assert found.box.width == pytest.approx(side, rel=0.25, abs=3)
    assert math.remainder(found.roll_degrees - roll, 360) == pytest.approx(0, abs=1)


def test_roll_of_a_lost_face_follows_what_is_seen_and_ignores_noise():
    for seen, expected in ((30, 30), (8, 0)):
        found = looks_at((300, 200, 60, seen)).find_again(track(square(300, 200, 60)), [])
        assert found.roll_degrees == pytest.approx(expected, abs=3)
        assert found.turn == TURN


def test_face_of_another_size_or_one_that_is_taken_is_not_the_lost_one():
    looks = looks_at((300, 200, 60, 0))
    assert looks.find_again(track(square(300, 200, 30)), []) is None
    assert looks.find_again(track(square(300, 200, 60)), [square(305, 205, 50)]) is None


@settings(max_examples=25)
@given(side=st.floats(24, 200), roll=st.floats(-45, 45), off=st.floats(-0.15, 0.15))
def test_candidate_is_verified_and_takes_the_box_that_the_network_sees(side, roll, off):
    looks = looks_at((320, 240, side, roll))
    candidate = square(320 + off * side, 240, 1.1 * side)
    assert looks.verify(candidate, roll)
    corrected = looks.corrected(Detection(candidate, 3, verified=True, roll_degrees=roll))
    assert math.dist(corrected.box.centre, (320, 240)) <= 0.06 * side + 1
    assert (corrected.neighbours, corrected.turn) == (3, TURN)


def test_place_without_a_face_or_with_one_beside_it_is_not_verified():
    looks = looks_at((320, 240, 60, 0))
    assert not looks.verify(square(100, 100, 60), 0)
    assert not looks.verify(square(370, 240, 60), 0)
    unchanged = Detection(square(100, 100, 60), 3, verified=False)
    assert looks.corrected(unchanged) is unchanged


def test_box_is_looked_at_once_in_a_frame_and_colour_is_decoded_once_and_only_where_it_is_wanted():
    luma, colour = frame((320, 240, 60, 0))
    decoded = []
    finder = RedSquares()
    looks = FinderLooks(finder)
    looks.start_frame(luma, lambda: decoded.append(1) or colour())
    assert not decoded
    assert [looks.verify(square(320, 240, 60), roll) for roll in (0, 10, -10)] == [True] * 3
    looks.verify(square(320, 240, 70), 0)
    assert (finder.looks, len(decoded)) == (2, 1)
    grey = FinderLooks(RedSquares(wants_colour=False))
    grey.start_frame(luma, lambda: pytest.fail("nothing here wants colour"))
    grey.verify(square(320, 240, 60), 0)


@pytest.mark.parametrize("colour", [None, lambda: None])
def test_source_without_colour_is_looked_at_in_grey_and_in_smaller_tiles(colour):
    looks = FinderLooks(RedSquares())
    luma = np.full((200, 300), 60, np.uint8)
    luma[80:120, 80:120] = 240
    looks.start_frame(luma, colour)
    assert looks.tile_faces == 6.0
    assert looks.verify(square(100, 100, 40), 0)


def test_face_that_a_tile_cuts_off_is_left_to_another_tile():
    looks = looks_at((200, 100, 60, 0), (50, 100, 60, 0))
    (found,) = looks.look_at(LookTile(0, 0, 210, 200, 20.0))
    assert found.box.centre == pytest.approx((50, 100), abs=1)
    (found,) = looks.look_at(LookTile(150, 0, 640, 480, 20.0))
    assert found.box.centre == pytest.approx((200, 100), abs=1)


def test_picture_has_the_faces_of_the_network_and_those_of_the_cascade_that_it_has_not_seen():
    luma, colour = frame((200, 100, 60, 0), (500, 300, 60, 0))
    cascade = [
        Detection(square(203, 100, 60), 5, verified=False),
        Detection(square(60, 300, 50), 4, verified=True),
        Detection(square(60, 100, 50), 4, verified=False),
    ]
    found = look_at_still(RedSquares(), luma, colour, cascade, DetectorConfig())
    places = {(round(one.box.centre[0], -1), one.verified) for one in found}
    assert places == {(200, True), (500, True), (60, True), (60, False)}
    assert len(found) == 4


@pytest.mark.footage
@pytest.mark.parametrize(
    ("name", "frames", "tracked"),
    [("head-pose-face-detection-female-and-male.mp4", 10, True), ("store-aisle-detection.mp4", 10, False)],
)
def test_tilted_heads_are_announced_and_shelves_are_not(name, frames, tracked):
    files = sorted((FOLDER / "data").glob("face_detection_yunet*.onnx"))
    if not files:
        pytest.skip(f"no file of YuNet in {FOLDER / 'data'}")
    config = DetectorConfig(kind="yunet", yunet_file=str(files[0]))
    detector, tracker = Detector(config), Tracker(TrackerConfig())
    capture = cv2.VideoCapture(str(footage(name)))
    expected = json.loads(footage("faces.json").read_text(encoding="utf-8"))[name]
    announced = []
    for number in range(frames):
        _, picture = capture.read()
        luma, seconds = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), number / FPS
        detections = detector.search(luma, seconds, tracker.predict(seconds), colour=lambda shown=picture: shown)
        tracks, _ = tracker.update(detections, seconds)
        announced = [one.box for one in tracks if one.confirmed]
        if tracked:
            for face in expected[number]:
                assert any(one.box.iou(Box(*face[:4])) >= 0.3 for one in tracks), f"frame {number}"
    assert len(announced) == (2 if tracked else 0)
