"""Composites of synthetic faces, and the asset that ships."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
from convert.actor.align import face_mask, normalise
from convert.actor.build import MIN_FACES, SIDES_PX, Composite, place_in_frame, strip, to_image, write_strip
from convert.data.fer2013 import LABELS
from edge.config.schema import DetectorConfig
from edge.vision.detection.detector import Detector

ASSET = Path(__file__).parents[3] / "edge" / "assets" / "actor.png"


def test_strip_is_written_as_png(tmp_path):
    images = [np.full((48, 48), 10 * number, dtype=np.uint8) for number in range(7)]
    composites = [Composite(label, image, 25, 0.9, 1.0) for label, image in zip(LABELS, images, strict=True)]
    write_strip(composites, tmp_path / "a.png")
    loaded = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert loaded.shape == (48, 336)
    np.testing.assert_array_equal(loaded, strip(composites))


def test_image_has_size_and_brightness_of_the_asset():
    image = to_image(normalise(cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (96, 96)), (0, 0), 6)))
    assert image.shape == (48, 48)
    assert image[face_mask(48)].mean() == pytest.approx(122, abs=6)


def test_asset_has_seven_faces_that_are_detected_at_every_size():
    asset = cv2.imread(str(ASSET), cv2.IMREAD_UNCHANGED)
    assert asset.shape == (48, 48 * len(LABELS))
    assert asset.dtype == np.uint8
    detector = Detector(DetectorConfig())
    for number, label in enumerate(LABELS):
        for side in SIDES_PX:
            detections = detector.detect(place_in_frame(asset[:, 48 * number : 48 * number + 48], side))
            assert [each.verified for each in detections] == [True], f"{label} at {side} px"


def test_composites_average_at_least_25_faces():
    assert MIN_FACES >= 25
