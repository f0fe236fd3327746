"""The line on faces that the test puts into it; the model is the shipped one."""

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


class Found(Detector):
    """Finds what the test says, and notes what it is asked for."""

    def __init__(self, config, places):
        super().__init__(config)
        self.places, self.levels, self.restarts = places, [], 0

    def search(self, luma, seconds, followed=(), level=LADDER[0]):  # noqa: ARG002 - the detector's signature
        self.levels.append(level)
        return [
            Detection(Box(x, 100.0, 80.0 - 10 * number, 80.0), 9, verified=True) for number, x in enumerate(self.places)
        ]

    def restart(self):
        self.restarts += 1
        super().restart()


class Counting(Classifier):
    """Notes which boxes it reads."""

    def classify(self, frame, boxes):
        self.boxes = [*getattr(self, "boxes", []), [box.x for box in boxes]]
        return super().classify(frame, boxes)


@pytest.fixture(scope="module")
def classifier():
    return Counting(find_model("normal"))


@pytest.fixture
def line(classifier):
    classifier.boxes = []
    config = Config()
    return Pipeline(config, Found(config.detector, PLACES), classifier)


def frame(number):
    return Frame(number, number / FPS, np.full((300, 640), 90, np.uint8), 0.0, 0.0)


def test_all_faces_are_read_in_each_frame_where_a_change_need_not_last(classifier):
    classifier.boxes = []
    config = Config(events=EventsConfig(dwell_seconds=0))
    line = Pipeline(config, Found(config.detector, PLACES), classifier)
    for number in range(5):
        line.step(frame(number))
    assert all(sorted(boxes) == sorted(PLACES) for boxes in classifier.boxes)


def test_faces_that_stay_as_they_are_take_turns(line, classifier):
    """Four of them at 25 frames a second: twice each in half a second is two readings in three frames."""
    events = [event for number in range(60) for event in line.step(frame(number)).events]
    assert len(events) == 4
    settled = classifier.boxes[10:]
    assert 32 <= sum(len(boxes) for boxes in settled) <= 33
    assert max(len(boxes) for boxes in settled) == 1


def test_a_face_that_may_have_changed_is_read_in_each_frame(classifier, monkeypatch):
    """Until it has changed, or has not: then it takes turns again."""
    labels = list(classifier.labels)
    shown = {"label": "neutral"}

    def read(_frame, boxes):
        sizes.append(len(boxes))
        rows = np.full((len(boxes), len(labels)), 0.01, np.float32)
        rows[:, labels.index(shown["label"])] = 0.94
        return list(rows)

    sizes: list[int] = []
    monkeypatch.setattr(classifier, "classify", read)
    config = Config()
    line = Pipeline(config, Found(config.detector, PLACES[:1]), classifier)
    for number in range(40):
        line.step(frame(number))
    calm = sizes[-25:]
    shown["label"] = "happy"
    changed_at = None
    for number in range(40, 80):
        if any(event.kind is EventKind.EMOTION_CHANGED for event in line.step(frame(number)).events):
            changed_at = number
    assert 9 <= sum(calm) <= 10
    assert changed_at is not None
    first_seen = next(number for number in range(40, 80) if sizes[number])
    assert first_seen <= 42
    assert sizes[first_seen : changed_at + 1] == [1] * (changed_at + 1 - first_seen)
    assert (changed_at - first_seen) / FPS == pytest.approx(config.events.dwell_seconds, abs=1 / FPS)
    assert sum(sizes[changed_at + 1 :]) <= round((79 - changed_at) / FPS * 10) + 1


def test_faces_are_read_in_turn_where_the_level_allows_fewer(classifier):
    classifier.boxes = []
    config = Config(events=EventsConfig(dwell_seconds=0))
    line = Pipeline(config, Found(config.detector, PLACES), classifier)
    line.level = Level("two", 6, None, 2)
    events = [event for number in range(24) for event in line.step(frame(number)).events]
    assert all(len(boxes) == 2 for boxes in classifier.boxes)
    read = [x for boxes in classifier.boxes for x in boxes]
    assert {x: read.count(x) for x in PLACES} == dict.fromkeys(PLACES, 12)
    appeared = [event for event in events if event.kind is EventKind.FACE_APPEARED]
    assert len(appeared) == 4
    # Each was read before it was announced: uniform probabilities would say that it was not.
    assert all(np.ptp(event.face.probabilities) > 0 for event in appeared)


def test_the_configured_number_holds_for_levels_too(classifier):
    classifier.boxes = []
    config = Config()
    config = Config(model=type(config.model)(max_faces=1), events=EventsConfig(dwell_seconds=0))
    line = Pipeline(config, Found(config.detector, PLACES), classifier)
    line.level = Level("all", 6, None, 3)
    for number in range(8):
        line.step(frame(number))
    assert [len(boxes) for boxes in classifier.boxes] == [1] * 8
    assert {x for boxes in classifier.boxes for x in boxes} == set(PLACES)


def test_the_level_goes_to_the_search_and_may_change_between_frames(line):
    assert line.level is LADDER[0]
    line.step(frame(0))
    line.level = LADDER[2]
    line.step(frame(1))
    assert line._detector.levels == [LADDER[0], LADDER[2]]


def test_when_the_source_ends_the_search_begins_anew(line):
    for number in range(8):
        line.step(frame(number))
    assert [event.kind for event in line.finish()] == [EventKind.FACE_LEFT] * 4
    assert line._detector.restarts == 1
