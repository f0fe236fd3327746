"""The line on faces that the test puts into it; the model is the shipped one."""

import numpy as np
import pytest

from edge.classifier import Classifier
from edge.config import Config
from edge.detector import Detector
from edge.levels import LADDER, Level
from edge.manifest import find_model
from edge.pipeline import Pipeline
from edge.records import Box, Detection, EventKind, Frame

pytestmark = pytest.mark.device

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
            Detection(Box(x, 100.0, 80.0 - 10 * number, 80.0), 9, agreed=True) for number, x in enumerate(self.places)
        ]

    def restart(self):
        self.restarts += 1
        super().restart()


class Counting(Classifier):
    """Notes which boxes it reads."""

    def read(self, frame, boxes):
        self.boxes = [*getattr(self, "boxes", []), [box.x for box in boxes]]
        return super().read(frame, boxes)


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


def test_all_faces_are_read_where_the_level_allows_it(line, classifier):
    for number in range(5):
        line.step(frame(number))
    assert all(sorted(boxes) == sorted(PLACES) for boxes in classifier.boxes)


def test_faces_are_read_in_turn_where_it_does_not(line, classifier):
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
    config = Config(model=type(config.model)(max_faces=1))
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
