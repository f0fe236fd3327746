import json

import cv2
import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import DetectorConfig
from edge.errors import CascadeError
from edge.types import Box
from edge.vision.detection.cascades import CONFIRM_CASCADE, SEARCH_CASCADE, cascade_path, load_cascade
from edge.vision.detection.detector import Detector
from support.footage import footage


def actor(script="happy=1"):
    source = create_source(f"scripted:{script}?seed=3", SourceOptions())
    source.open()
    frame = source.read()
    source.close()
    return frame.luma


def grey_frames(path):
    capture = cv2.VideoCapture(str(path))
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def test_it_finds_the_actor_and_both_cascades_agree():
    found = Detector(DetectorConfig()).detect(actor())
    assert len(found) == 1
    assert found[0].verified
    assert found[0].hits >= DetectorConfig().neighbours


def test_boxes_are_in_pixels_of_the_full_frame_whatever_the_search_width():
    luma = actor()
    (wide,) = Detector(DetectorConfig(search_width_px=640)).detect(luma)
    (narrow,) = Detector(DetectorConfig(search_width_px=240)).detect(luma)
    assert wide.box.iou(narrow.box) > 0.6


def test_sizes_are_shares_of_the_frame():
    luma = actor()
    (found,) = Detector(DetectorConfig()).detect(luma)
    share = found.box.width / min(luma.shape)
    assert Detector(DetectorConfig(min_face=min(1.0, share * 1.4))).detect(luma) == []
    assert Detector(DetectorConfig(max_face=share * 0.7)).detect(luma) == []


def test_an_empty_frame_has_no_face():
    assert Detector(DetectorConfig()).detect(np.full((270, 480), 90, np.uint8)) == []


@pytest.mark.footage
@pytest.mark.parametrize("name", ["store-aisle-detection.mp4", "classroom.mp4"])
def test_phantoms_are_found_but_never_agreed_with(name):
    detector = Detector(DetectorConfig())
    found = [face for luma in list(grey_frames(footage(name)))[::2] for face in detector.detect(luma)]
    assert len(found) >= 10, "the cascade alone invents faces here; without any this test shows nothing"
    assert sum(face.verified for face in found) == 0


@pytest.mark.footage
def test_true_faces_are_mostly_agreed_with():
    path = footage("head-pose-face-detection-male.mp4")
    reference = json.loads(path.with_name("faces.json").read_text(encoding="utf-8"))[path.name]
    detector = Detector(DetectorConfig())
    found = verified = faces = 0
    for number, luma in enumerate(grey_frames(path)):
        for x, y, width, height, _ in reference[number]:
            faces += 1
            hits = [face for face in detector.detect(luma) if face.box.iou(Box(x, y, width, height)) > 0.3]
            found += bool(hits)
            verified += any(face.verified for face in hits)
    assert found / faces > 0.9
    assert verified / found > 0.75


def test_a_cascade_of_ones_own_can_be_used(tmp_path):
    own = tmp_path / "my cascade.xml"
    own.write_bytes(cascade_path("", SEARCH_CASCADE).read_bytes())
    detector = Detector(DetectorConfig(cascade=str(own), confirm_cascade="none"))
    assert len(detector.detect(actor())) == 1
    assert detector.path == own


@pytest.mark.parametrize("content", [b"", b"no cascade\n", b"<?xml version='1.0'?><opencv_storage></opencv_storage>"])
@pytest.mark.parametrize("key", ["cascade", "confirm_cascade"])
def test_a_file_that_is_no_cascade_is_named(tmp_path, content, key, capfd):
    path = tmp_path / "c.xml"
    path.write_bytes(content)
    with pytest.raises(CascadeError) as caught:
        Detector(DetectorConfig(**{key: str(path)}))
    assert f"detector.{key}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_missing_cascade_is_named(tmp_path):
    with pytest.raises(CascadeError, match=r"absent\.xml"):
        load_cascade(tmp_path / "absent.xml", "detector.cascade")


def test_the_shipped_cascades_are_found():
    for name in (SEARCH_CASCADE, CONFIRM_CASCADE):
        assert cascade_path("", name).name == name
