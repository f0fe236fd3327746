"""Tests of the detector on single pictures."""

import itertools
import json

import cv2
import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import DetectorConfig
from edge.types import Box
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path
from edge.vision.detection.detector import Detector
from edge.vision.turned import TurnedWindow
from support.footage import footage


def actor(script="happy=1"):
    source = create_source(f"scripted:{script}?seed=3", SourceOptions())
    source.open()
    frame = source.read()
    source.close()
    return frame.luma


def grey_frames(path, step):
    """Yield number and picture of every frame number `step`: the search of a picture takes its time."""
    capture = cv2.VideoCapture(str(path))
    for number in itertools.count():
        if not capture.grab():
            return
        if number % step == 0:
            yield number, cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2GRAY)


def test_actor_is_detected_and_verified():
    found = Detector(DetectorConfig()).detect(actor())
    assert len(found) == 1
    assert found[0].verified
    assert found[0].neighbours >= DetectorConfig().neighbours


def test_boxes_are_in_pixels_of_the_full_frame_at_any_search_width():
    luma = actor()
    (wide,) = Detector(DetectorConfig(search_width_px=640)).detect(luma)
    (narrow,) = Detector(DetectorConfig(search_width_px=240)).detect(luma)
    assert wide.box.iou(narrow.box) > 0.6


def test_face_sizes_are_shares_of_the_frame():
    luma = actor()
    (found,) = Detector(DetectorConfig()).detect(luma)
    share = found.box.width / min(luma.shape)
    assert Detector(DetectorConfig(min_face=min(1.0, share * 1.4))).detect(luma) == []
    assert Detector(DetectorConfig(max_face=share * 0.7)).detect(luma) == []


def test_uniform_frame_has_no_face():
    assert Detector(DetectorConfig()).detect(np.full((270, 480), 90, np.uint8)) == []


@pytest.mark.footage
@pytest.mark.parametrize(
    ("name", "step"),
    [pytest.param("store-aisle-detection.mp4", 20, marks=pytest.mark.long), ("classroom.mp4", 5)],
)
def test_phantoms_are_detected_but_not_verified(name, step):
    detector = Detector(DetectorConfig())
    found = [face for _, luma in grey_frames(footage(name), step) for face in detector.detect(luma)]
    assert len(found) >= 4, "the search cascade finds phantoms in these files; without any this test proves nothing"
    assert sum(face.verified for face in found) == 0


@pytest.mark.footage
def test_most_true_faces_are_verified():
    path = footage("head-pose-face-detection-male.mp4")
    reference = json.loads(path.with_name("faces.json").read_text(encoding="utf-8"))[path.name]
    detector = Detector(DetectorConfig())
    found = verified = faces = 0
    for number, luma in grey_frames(path, 8):
        for x, y, width, height, _ in reference[number]:
            faces += 1
            detections = [face for face in detector.detect(luma) if face.box.iou(Box(x, y, width, height)) > 0.3]
            found += bool(detections)
            verified += any(face.verified for face in detections)
    assert found / faces > 0.9
    assert verified / found > 0.75


def test_configured_cascade_file_is_used(tmp_path):
    own = tmp_path / "my cascade.xml"
    own.write_bytes(cascade_path("", SEARCH_CASCADE).read_bytes())
    detector = Detector(DetectorConfig(cascade=str(own), confirm_cascade="none"))
    assert len(detector.detect(actor())) == 1
    assert detector.path == own


@pytest.mark.parametrize("roll", [-45, -20, 30, 45])
def test_tilted_face_of_a_picture_is_found_with_its_roll(roll):
    luma = actor()
    height, width = luma.shape
    tilted = TurnedWindow((width / 2, height / 2), 1.0, width, height, -roll).render(luma)
    (upright,) = Detector(DetectorConfig()).detect(luma)
    (found,) = [face for face in Detector(DetectorConfig()).detect(tilted) if face.verified]
    assert found.roll_degrees - upright.roll_degrees == pytest.approx(roll, abs=12)
    expected = TurnedWindow((width / 2, height / 2), 1.0, width, height, -roll).box_from_picture(upright.box)
    assert found.box.iou(expected) > 0.6


@pytest.mark.parametrize("cut", [0.0, 0.15])
def test_face_that_fills_a_picture_to_its_border_is_found(cut):
    """A close crop: a cascade cannot see a face whose surroundings are missing."""
    luma = actor()
    (whole,) = Detector(DetectorConfig()).detect(luma)
    box = whole.box
    left = int(box.x + cut * box.width)
    crop = np.ascontiguousarray(luma[int(box.y) : int(box.y + box.height), left : int(box.x + box.width)])
    (found,) = [face for face in Detector(DetectorConfig()).detect(crop) if face.verified]
    assert found.box.iou(Box(box.x - left, 0, box.width, box.height)) > 0.5
