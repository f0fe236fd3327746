"""Labels, confidences and leaders, through pipeline and payload builder: no payload contradicts itself."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import Config, EventsConfig, ModelConfig
from edge.levels import LADDER
from edge.messages.payload_builder import PayloadBuilder
from edge.types import UNKNOWN, Box, Detection, EventKind, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

PLACES = (10.0, 130.0, 250.0, 370.0, 490.0)
"""Of five faces that appear together, some are announced before they are read where one is read in each frame."""
LUMA = np.random.default_rng(1).integers(0, 256, (300, 640), dtype=np.uint8)
"""Sharp everywhere, so that each face is read."""
ROUNDING = 0.51e-4
"""Largest error of a published share, which has four decimals, and of a sum in float32."""


class DrawnFaces(Detector):
    """Finds verified faces where the test says so."""

    places: tuple[float, ...] = ()

    def search(self, luma, seconds, predictions=(), level=LADDER[0], colour=None):  # noqa: ARG002 - the detector's signature
        return [Detection(Box(x, 100.0, 80.0, 80.0), 9, verified=True) for x in self.places]


class DrawnReadings(Classifier):
    """Reads in each face what the test has drawn for the frame."""

    drawn: tuple[np.ndarray, ...] = ()

    def classify(self, _frame, boxes, _rolls_degrees=None):
        return [self.drawn[PLACES.index(box.x) % len(self.drawn)] for box in boxes]


@pytest.fixture(scope="module")
def parts():
    return DrawnFaces(Config().detector), DrawnReadings(find_model("normal"))


# One label is far ahead, or several are close, or all are equal.
reading = st.lists(st.sampled_from([0.01, 0.2, 0.5, 1.0]) | st.floats(0.01, 1), min_size=7, max_size=7).map(
    lambda weights: np.array(weights, np.float32) / np.float32(sum(weights))
)
drawn_frame = st.tuples(
    st.sampled_from([0.04, 0.1, 0.3]),  # seconds since the frame before
    st.sampled_from([(), PLACES[:1], PLACES, PLACES, PLACES]),
    st.integers(0, 3),  # which reading
)
events_config = st.builds(
    EventsConfig,
    smoothing_seconds=st.sampled_from([0.0, 0.5]),
    dwell_seconds=st.sampled_from([0.0, 0.2, 0.5]),
    margin=st.sampled_from([0.0, 0.4]),
    unknown_below=st.sampled_from([0.0, 0.35, 0.6]),
)
groupings = st.sampled_from([{}, {"good": ["happy"]}, {"good": ["happy", "surprise"], "bad": ["angry", "sad", "fear"]}])


@dataclass
class Face:
    """The label of a face, and how each label last led in it: (confidence, threshold, whether it was read)."""

    led: dict[str, tuple[float, float, bool]] = field(default_factory=dict)
    emotion: str = ""


class Checker:
    """Builds the payloads of each frame, and compares them with one another and with all frames before."""

    def __init__(self, labels, groups):
        self._labels, self._groups = labels, groups
        self._builder = PayloadBuilder("b", labels, groups)
        self._faces: dict[int, Face] = {}

    def frame(self, result, threshold):
        for tracked in result.faces:
            best, leading = tracked.probabilities.max(), self._labels[int(tracked.probabilities.argmax())]
            was_read = tracked.prediction is not None
            assert tracked.leader == (leading if was_read else None)
            label = leading if was_read and best >= threshold else UNKNOWN
            self._faces.setdefault(tracked.track_id, Face()).led[label] = float(best), threshold, was_read
        self.events(result.events)
        state = self._builder.state(result.faces, result.frame, 0.0)
        for one in state.faces:
            self._check(one, self._faces[one.track])
            assert one.emotion == self._faces[one.track].emotion, "only an event changes it"
        of_one_face = {(one.emotion, one.confidence, one.leader, one.leader_confidence) for one in state.faces}
        assert (
            state.emotion,
            state.confidence,
            state.leader,
            state.leader_confidence,
        ) in of_one_face or not state.faces

    def events(self, events):
        for event in events:
            payload, face = self._builder.event(event), self._faces[event.face.track_id]
            self._check(payload, face)
            if event.kind is EventKind.FACE_LEFT:
                assert payload.emotion == face.emotion
            elif payload.emotion != UNKNOWN:
                assert (payload.leader, payload.leader_confidence) == (payload.emotion, payload.confidence)
            if event.kind is EventKind.EMOTION_CHANGED:
                assert payload.previous == face.emotion != payload.emotion
            face.emotion = payload.emotion

    def _check(self, payload, face):
        shares = payload.probabilities
        assert payload.group == self._group(payload.emotion)
        assert payload.leader_group == self._group(payload.leader)
        assert payload.leader_confidence == (None if payload.leader is None else shares[payload.leader])
        assert payload.leader_confidence in {None, max(shares.values())}
        for group, members in self._groups.items():
            total = sum(shares[label] for label in members)
            assert abs(payload.groups[group] - total) <= ROUNDING * (len(members) + 1)
        confidence, threshold, was_read = face.led[payload.emotion]
        assert payload.confidence == round(confidence, 4)
        assert (payload.emotion != UNKNOWN) == (was_read and confidence >= threshold)

    def _group(self, label):
        return next((group for group, members in self._groups.items() if label in members), None)


@given(st.data())
def test_no_payload_contradicts_itself(parts, data):
    detector, classifier = parts
    readings = data.draw(st.lists(reading, min_size=4, max_size=4))
    faces_per_frame = ModelConfig(max_faces=data.draw(st.sampled_from([1, 4])))
    config, after_reload = (Config(events=data.draw(events_config), model=faces_per_frame) for _ in range(2))
    reload_at = data.draw(st.integers(0, 40))
    pipeline, checker = Pipeline(config, detector, classifier), Checker(classifier.labels, data.draw(groupings))
    seconds = 0.0
    for number, (elapsed, places, drawn) in enumerate(data.draw(st.lists(drawn_frame, min_size=1, max_size=40))):
        seconds += elapsed
        detector.places, classifier.drawn = places, readings[drawn:] + readings[:drawn]
        if number == reload_at:
            config = after_reload
            pipeline.configure(config)
        checker.frame(pipeline.step(Frame(number, seconds, LUMA, 0.0, 0.0)), config.events.unknown_below)
    checker.events(pipeline.finish())
