"""Tests of the pipeline on detections that the test provides; the model is the shipped one."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.schema import Config, EventsConfig
from edge.levels import LADDER, Level
from edge.types import UNKNOWN, Box, Detection, EventKind, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

FPS = 25.0
PLACES = (40.0, 200.0, 360.0, 500.0)
SHARP = np.random.default_rng(1).integers(0, 256, (300, 640), dtype=np.uint8)
"""A picture in which each face is sharp enough to be read."""
BLURRED = np.asarray(cv2.GaussianBlur(SHARP, (0, 0), 12.0))


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


def frame(number, luma=SHARP):
    return Frame(number, number / FPS, luma, 0.0, 0.0)


def test_all_faces_are_classified_in_each_frame_without_a_dwell(classifier):
    classifier.boxes = []
    config = Config(events=EventsConfig(dwell_seconds=0))
    pipeline = Pipeline(config, FixedDetector(config.detector, PLACES), classifier)
    for number in range(5):
        pipeline.step(frame(number))
    assert all(sorted(boxes) == sorted(PLACES) for boxes in classifier.boxes)


def test_faces_whose_label_stays_take_turns(pipeline, classifier):
    """Four of them at 25 frames a second: twice each in the dwell of 0.6 s is eight inferences in fifteen frames."""
    events = [event for number in range(60) for event in pipeline.step(frame(number)).events]
    assert len(events) == 4
    later = classifier.boxes[10:]
    assert 26 <= sum(len(boxes) for boxes in later) <= 27
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


@pytest.mark.parametrize(("luma", "place"), [(BLURRED, 0.0), (SHARP, -45.0)])
def test_face_that_cannot_be_read_keeps_its_track_and_its_label_and_is_not_classified(pipeline, detector, luma, place):
    """It is blurred, or more than half of it is outside the frame; then it is read again."""
    detector.places = (0.0,)
    (face,) = [pipeline.step(frame(number)).faces for number in range(40)][-1]
    assert face.leader is not None
    detector.places = (place,)
    results = [pipeline.step(frame(number, luma)) for number in range(40, 80)]
    assert not any(result.events or result.faces_classified for result in results)
    for (held,) in (result.faces for result in results):
        assert (held.track_id, held.label, held.confidence) == (face.track_id, face.label, face.confidence)
        np.testing.assert_array_equal(held.probabilities, face.probabilities)
    detector.places = (0.0,)
    again = [pipeline.step(frame(number)) for number in range(80, 90)]
    assert sum(result.faces_classified for result in again) > 0
    assert again[-1].faces[0].track_id == face.track_id


def test_face_that_was_never_readable_is_unknown_until_it_is_read(pipeline, detector):
    detector.places = PLACES[:1]
    results = [pipeline.step(frame(number, BLURRED)) for number in range(40)]
    (appeared,) = [event for result in results for event in result.events]
    assert (appeared.kind, appeared.face.label, appeared.face.leader) == (EventKind.FACE_APPEARED, UNKNOWN, None)
    assert np.ptp(results[-1].faces[0].probabilities) == 0
    sharp = [pipeline.step(frame(number)).faces[0] for number in range(40, 60)]
    assert sharp[-1].leader is not None


def test_face_outside_the_frame_takes_no_inference_of_a_readable_one(classifier):
    """One face is read in each frame at most: the one inside, though the other one is larger."""
    config = Config(events=EventsConfig(dwell_seconds=0))
    detector = FixedDetector(config.detector, (-60.0, 200.0))
    pipeline = Pipeline(config, detector, classifier)
    pipeline.level = Level("one", 6, None, 1)
    classifier.boxes = []
    for number in range(12):
        pipeline.step(frame(number))
    assert classifier.boxes == [[200.0]] * 12


def test_face_whose_centre_is_masked_is_nowhere(pipeline, classifier):
    """The detector of this test finds it all the same, as a real one may where a face sticks out of a mask."""
    hidden = np.zeros(SHARP.shape, bool)
    hidden[:, :250] = True  # the centres of the two faces to the left are at 80 and 235
    masked = [dataclasses.replace(frame(number), hidden=hidden) for number in range(20)]
    results = [pipeline.step(one) for one in masked]
    assert {face.box.x for face in results[-1].faces} == {360.0, 500.0}
    assert {event.face.box.x for result in results for event in result.events} == {360.0, 500.0}
    assert {x for boxes in classifier.boxes for x in boxes} == {360.0, 500.0}


def test_smoothed_box_of_a_face_that_passes_a_mask_does_not_lie_in_it(pipeline, detector):
    hidden = np.zeros(SHARP.shape, bool)
    hidden[:, 190:220] = True
    boxes = []
    for number in range(20):
        # It stands, and then walks past a mask that is narrower than its steps.
        detector.places = (40.0 + max(0, number - 10) * 40,)
        result = pipeline.step(dataclasses.replace(frame(number), hidden=hidden))
        boxes += [face.box for face in result.faces] + [event.face.box for event in result.events]
    assert min(box.centre[0] for box in boxes) < 190
    assert max(box.centre[0] for box in boxes) >= 220
    assert not any(190 <= box.centre[0] < 220 for box in boxes)


STEPS = st.one_of(
    st.tuples(st.just("frames"), st.integers(1, 8), st.sets(st.sampled_from(PLACES))),
    st.tuples(st.sampled_from(["use", "finish", "other size"]), st.none(), st.none()),
)


@settings(max_examples=40)
@given(steps=st.lists(STEPS, max_size=30), seconds=st.sampled_from([0.04, 0.5, 3.0]))
def test_each_face_appears_once_and_leaves_once_whatever_is_switched_between_two_frames(classifier, steps, seconds):
    detector = FixedDetector(Config().detector, ())
    pipeline = Pipeline(Config(), detector, classifier)
    luma, number, events = SHARP, 0, []
    for what, count, places in steps:
        if what == "frames":
            detector.places = sorted(places)
            for _ in range(count):
                events += pipeline.step(Frame(number, number * seconds, luma, 0.0, 0.0)).events
                number += 1
        elif what == "use":
            events += pipeline.use(classifier)
        elif what == "finish":
            events += pipeline.finish()
        else:
            luma = SHARP[: 200 if luma.shape[0] == SHARP.shape[0] else None]
    events += pipeline.finish()
    for track_id in {event.face.track_id for event in events}:
        kinds = [event.kind for event in events if event.face.track_id == track_id]
        assert (kinds[0], kinds[-1]) == (EventKind.FACE_APPEARED, EventKind.FACE_LEFT)
        assert set(kinds[1:-1]) <= {EventKind.EMOTION_CHANGED}


@pytest.mark.parametrize("missed", range(6))
def test_face_that_is_away_when_the_model_is_switched_leaves_once(pipeline, detector, classifier, missed):
    """At two frames a second, so that the switch comes in each frame up to the one in which the faces are lost."""
    events = []
    for number in range(20):
        detector.places = PLACES if number < 10 else ()
        events += pipeline.use(classifier) if number == 10 + missed else []
        events += pipeline.step(Frame(number, number / 2, SHARP, 0.0, 0.0)).events
    kinds = [event.kind for event in events]
    assert kinds.count(EventKind.FACE_APPEARED) == kinds.count(EventKind.FACE_LEFT)
    assert kinds[:4] == [EventKind.FACE_APPEARED] * 4
