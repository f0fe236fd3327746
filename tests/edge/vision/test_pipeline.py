"""Tests of the pipeline on detections that the test provides; the model is the shipped one."""

import numpy as np
import pytest

from edge.config.schema import Config, EventsConfig
from edge.levels import LADDER, Level
from edge.types import Box, Detection, EventKind, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

FPS = 25.0
PLACES = (40.0, 200.0, 360.0, 500.0)


class FixedDetector(Detector):
    """Detects faces at fixed places; records levels and resets."""

    def __init__(self, config, places):
        super().__init__(config)
        self.places, self.levels, self.resets = places, [], 0

    def search(self, luma, seconds, predictions=(), level=LADDER[0], colour=None):  # noqa: ARG002 - the detector's signature
        self.levels.append(level)
        return [
            Detection(Box(x, 100.0, 80.0 - 10 * number, 80.0), 9, verified=True) for number, x in enumerate(self.places)
        ]

    def reset(self):
        self.resets += 1
        super().reset()


class RecordingClassifier(Classifier):
    """Records the boxes that it classifies."""

    def classify(self, frame, boxes, rolls_degrees=None):
        self.boxes = [*getattr(self, "boxes", []), [box.x for box in boxes]]
        return super().classify(frame, boxes, rolls_degrees)


@pytest.fixture(scope="module")
def classifier():
    return RecordingClassifier(find_model("normal"))


@pytest.fixture
def detector():
    return FixedDetector(Config().detector, PLACES)


@pytest.fixture
def pipeline(detector, classifier):
    classifier.boxes = []
    return Pipeline(Config(), detector, classifier)


def frame(number):
    return Frame(number, number / FPS, np.full((300, 640), 90, np.uint8), 0.0, 0.0)


def test_all_faces_are_classified_in_each_frame_without_a_dwell(classifier):
    classifier.boxes = []
    config = Config(events=EventsConfig(dwell_seconds=0))
    pipeline = Pipeline(config, FixedDetector(config.detector, PLACES), classifier)
    for number in range(5):
        pipeline.step(frame(number))
    assert all(sorted(boxes) == sorted(PLACES) for boxes in classifier.boxes)


def test_faces_whose_label_stays_take_turns(pipeline, classifier):
    """Four of them at 25 frames a second: twice each in half a second is two inferences in three frames."""
    events = [event for number in range(60) for event in pipeline.step(frame(number)).events]
    assert len(events) == 4
    later = classifier.boxes[10:]
    assert 32 <= sum(len(boxes) for boxes in later) <= 33
    assert max(len(boxes) for boxes in later) == 1


def test_face_with_a_pending_change_is_classified_in_each_frame(classifier, monkeypatch):
    """Afterwards it takes turns again."""
    labels = list(classifier.labels)
    shown = {"label": "neutral"}

    def classify(_frame, boxes, _rolls_degrees=None):
        sizes.append(len(boxes))
        rows = np.full((len(boxes), len(labels)), 0.01, np.float32)
        rows[:, labels.index(shown["label"])] = 0.94
        return list(rows)

    sizes: list[int] = []
    monkeypatch.setattr(classifier, "classify", classify)
    config = Config()
    pipeline = Pipeline(config, FixedDetector(config.detector, PLACES[:1]), classifier)
    for number in range(40):
        pipeline.step(frame(number))
    before = sizes[-25:]
    shown["label"] = "happy"
    changed_at = None
    for number in range(40, 80):
        if any(event.kind is EventKind.EMOTION_CHANGED for event in pipeline.step(frame(number)).events):
            changed_at = number
    assert 9 <= sum(before) <= 10
    assert changed_at is not None
    first_seen = next(number for number in range(40, 80) if sizes[number])
    assert first_seen <= 42
    assert sizes[first_seen : changed_at + 1] == [1] * (changed_at + 1 - first_seen)
    assert (changed_at - first_seen) / FPS == pytest.approx(config.events.dwell_seconds, abs=1 / FPS)
    assert sum(sizes[changed_at + 1 :]) <= round((79 - changed_at) / FPS * 10) + 1


def test_faces_take_turns_where_the_level_limits_them(classifier):
    classifier.boxes = []
    config = Config(events=EventsConfig(dwell_seconds=0))
    pipeline = Pipeline(config, FixedDetector(config.detector, PLACES), classifier)
    pipeline.level = Level("two", 6, None, 2)
    events = [event for number in range(24) for event in pipeline.step(frame(number)).events]
    assert all(len(boxes) == 2 for boxes in classifier.boxes)
    classified = [x for boxes in classifier.boxes for x in boxes]
    assert {x: classified.count(x) for x in PLACES} == dict.fromkeys(PLACES, 12)
    appeared = [event for event in events if event.kind is EventKind.FACE_APPEARED]
    assert len(appeared) == 4
    # Probabilities are uniform before the first inference, so each face was classified before it was announced.
    assert all(np.ptp(event.face.probabilities) > 0 for event in appeared)


def test_configured_max_faces_holds_at_every_level(classifier):
    classifier.boxes = []
    config = Config()
    config = Config(model=type(config.model)(max_faces=1), events=EventsConfig(dwell_seconds=0))
    pipeline = Pipeline(config, FixedDetector(config.detector, PLACES), classifier)
    pipeline.level = Level("all", 6, None, 3)
    for number in range(8):
        pipeline.step(frame(number))
    assert [len(boxes) for boxes in classifier.boxes] == [1] * 8
    assert {x for boxes in classifier.boxes for x in boxes} == set(PLACES)


def test_level_is_passed_to_the_detector_and_may_change_between_frames(pipeline, detector):
    assert pipeline.level is LADDER[0]
    pipeline.step(frame(0))
    pipeline.level = LADDER[2]
    pipeline.step(frame(1))
    assert detector.levels == [LADDER[0], LADDER[2]]


def test_finish_announces_that_all_faces_left_and_resets_the_detector(pipeline, detector):
    for number in range(8):
        pipeline.step(frame(number))
    assert [event.kind for event in pipeline.finish()] == [EventKind.FACE_LEFT] * 4
    assert detector.resets == 1


def test_another_size_of_the_frame_starts_anew(pipeline, detector):
    announced = [event for number in range(10) for event in pipeline.step(frame(number)).events]
    assert {event.kind for event in announced} == {EventKind.FACE_APPEARED}
    small = Frame(10, 10 / FPS, np.zeros((240, 320), np.uint8), 0.0, 0.0)
    left = pipeline.step(small).events
    assert [event.kind for event in left] == [EventKind.FACE_LEFT] * len(announced)
    assert {event.frame.number for event in left} == {9}, "boxes are shares of the frame in which they were found"
    assert detector.resets == 1
