"""Tests of the classification of single pictures."""

import numpy as np
import pytest

from edge.config.schema import Config, EventsConfig, ModelConfig
from edge.types import UNKNOWN, Box, Detection, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.stills import classify_faces

FRAME = Frame(0, 0.0, np.full((240, 320), 90, np.uint8), 0.0, 0.0)
DETECTIONS = [
    Detection(Box(200, 60, 100, 100), 9, verified=True),
    Detection(Box(20, 20, 90, 90), 9, verified=False),
    Detection(Box(100, 100, 80, 80), 9, verified=True),
]


@pytest.fixture(scope="module")
def classifier():
    return Classifier(find_model("normal"))


def test_verified_faces_are_numbered_in_the_order_of_the_detections(classifier):
    faces = classify_faces(FRAME, DETECTIONS, classifier, Config())
    assert [(face.track_id, face.box.x) for face in faces] == [(1, 200), (2, 100)]
    for face in faces:
        assert face.confidence == face.probabilities.max()


def test_at_most_max_faces_are_classified(classifier):
    faces = classify_faces(FRAME, DETECTIONS, classifier, Config(model=ModelConfig(max_faces=1)))
    assert [face.box.x for face in faces] == [200]


def test_configured_threshold_decides_on_unknown(classifier):
    certain = classify_faces(FRAME, DETECTIONS, classifier, Config(events=EventsConfig(unknown_below=0.0)))
    uncertain = classify_faces(FRAME, DETECTIONS, classifier, Config(events=EventsConfig(unknown_below=1.0)))
    assert UNKNOWN not in {face.label for face in certain}
    assert {face.label for face in uncertain} == {UNKNOWN}
