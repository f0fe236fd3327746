import re

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.messages.payload_builder import PayloadBuilder, timestamp
from edge.messages.schemas import load
from edge.types import Box, Event, EventKind, Frame, TrackedFace

LABELS = ("happy", "neutral", "sad")
GROUPS = {"positive": ["happy"], "negative": ["sad"]}


def frame(number=7, width=200, height=100):
    return Frame(number, number / 10, np.zeros((height, width), np.uint8), 12.5, 1_750_000_000.1234)


def view(box=None, label="happy", track=3, confidence=0.7, roll_degrees=0.0):
    probabilities = np.array([0.7, 0.2, 0.1], dtype=np.float32)
    return TrackedFace(track, box or Box(50, 20, 40, 40), label, confidence, probabilities, None, "happy", roll_degrees)


def conforms(payload, name):
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(payload)), load(name))


def test_event_has_type_labels_groups_and_box():
    builder = PayloadBuilder("b00t", LABELS, GROUPS)
    event = builder.event(Event(EventKind.EMOTION_CHANGED, view(), "sad", frame()))
    assert (event.type, event.emotion, event.previous, event.group) == ("emotion_changed", "happy", "sad", "positive")
    assert event.face.track == 3
    assert event.face.box == type(event.face.box)(x=0.25, y=0.2, width=0.2, height=0.4)
    assert event.probabilities == {"happy": 0.7, "neutral": 0.2, "sad": 0.1}
    assert event.groups == {"positive": 0.7, "negative": 0.1}
    assert event.source_seconds == 0.7
    conforms(event, "event")


def test_valence_is_the_weighted_mean_of_the_probabilities_in_event_and_state():
    builder, faces = PayloadBuilder("b", LABELS, {}, {"sad": -1.0}), [view(), view(Box(0, 0, 90, 90), track=2)]
    event, state = (
        builder.event(Event(EventKind.FACE_APPEARED, view(), None, frame())),
        builder.state(faces, frame(), 0),
    )
    # The default of happy is (8.47 - 5) / 4, that of neutral 0.
    expected = pytest.approx(0.7 * (8.47 - 5) / 4 - 0.1, abs=1e-4)
    assert [event.valence, state.valence, *(face.valence for face in state.faces)] == [expected] * 4
    conforms(event, "event")
    conforms(state, "state")


def test_valence_is_null_without_a_reading_or_a_weight_and_in_events_of_an_earlier_version():
    unread = TrackedFace(1, Box(0, 0, 9, 9), "unknown", 0.4, np.full(3, 1 / 3, np.float32))
    state = PayloadBuilder("b", LABELS, {}).state([unread], frame(), 0)
    assert (state.valence, state.faces[0].valence) == (None, None)
    event = PayloadBuilder("b", ("happy", "neutral", "yawning"), {}).event(
        Event(EventKind.FACE_LEFT, view(), None, frame())
    )
    assert event.valence is None
    older = msgspec.json.decode(msgspec.json.encode(event))
    del older["valence"]
    jsonschema.validate(older, load("event"))
    assert msgspec.convert(older, type(event)).valence is None


def test_events_are_numbered_without_a_gap():
    builder = PayloadBuilder("b00t", LABELS, {})
    events = [builder.event(Event(EventKind.FACE_LEFT, view(), None, frame())) for _ in range(5)]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert len({event.id for event in events}) == 5


def test_unknown_emotion_is_in_no_group():
    event = PayloadBuilder("b", LABELS, GROUPS).event(
        Event(EventKind.FACE_APPEARED, view(label="unknown"), None, frame())
    )
    assert (event.group, event.leader, event.leader_group) == (None, "happy", "positive")
    conforms(event, "event")


def test_held_label_and_leader_stand_under_their_own_names():
    builder, held = PayloadBuilder("b", LABELS, GROUPS), view(label="sad", confidence=0.62)
    state = builder.state([held], frame(), 0)
    event = builder.event(Event(EventKind.FACE_LEFT, held, None, frame()))
    for one in (event, state.faces[0]):
        assert (one.emotion, one.group, one.confidence) == ("sad", "negative", 0.62)
        assert (one.leader, one.leader_group, one.leader_confidence) == ("happy", "positive", 0.7)
        assert one.groups == {"positive": 0.7, "negative": 0.1}
    assert (state.emotion, state.confidence, state.leader, state.leader_confidence) == ("sad", 0.62, "happy", 0.7)
    conforms(event, "event")
    conforms(state, "state")


@pytest.mark.parametrize(("roll", "published"), [(0.0, 0.0), (-29.6, -30.0), (14.2, 14.0), (180.0, 180.0)])
def test_event_and_state_have_the_roll_in_whole_degrees(roll, published):
    builder, tilted = PayloadBuilder("b", LABELS, GROUPS), view(roll_degrees=roll)
    state = builder.state([tilted], frame(), 0)
    event = builder.event(Event(EventKind.FACE_LEFT, tilted, None, frame()))
    assert (state.faces[0].roll_degrees, event.face.roll_degrees) == (published, published)
    conforms(event, "event")
    conforms(state, "state")


def test_event_and_state_of_a_version_without_rolls_are_valid():
    builder = PayloadBuilder("b", LABELS, GROUPS)
    event, state = builder.event(Event(EventKind.FACE_LEFT, view(), None, frame())), builder.state([view()], frame(), 0)
    for payload, name in ((event, "event"), (state, "state")):
        older = msgspec.json.decode(re.sub(rb',"roll_degrees":[-.0-9]+', b"", msgspec.json.encode(payload)))
        assert "roll_degrees" not in str(older)
        jsonschema.validate(older, load(name))
        decoded = msgspec.convert(older, type(payload))
        assert (decoded.face if name == "event" else decoded.faces[0]).roll_degrees is None


def test_state_without_faces_is_explicit():
    state = PayloadBuilder("b", LABELS, {}).state((), None, 1_750_000_000.0)
    assert (state.present, state.emotion, state.confidence, state.faces) == (False, None, None, [])
    assert (state.leader, state.leader_confidence) == (None, None)
    conforms(state, "state")


def test_state_has_the_emotion_of_the_largest_face():
    faces = (view(track=1, label="sad", confidence=0.9), view(Box(0, 0, 90, 90), track=2))
    state = PayloadBuilder("b", LABELS, GROUPS).state(faces, frame(), 0)
    assert (state.present, state.emotion, state.confidence) == (True, "happy", 0.7)
    assert [face.track for face in state.faces] == [1, 2]
    conforms(state, "state")


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(1, 400))
def test_box_stays_inside_the_frame(x, y, side):
    event = PayloadBuilder("b", LABELS, {}).event(
        Event(EventKind.FACE_LEFT, view(Box(x, y, side, side)), None, frame())
    )
    conforms(event, "event")
    box = event.face.box
    assert box.x + box.width <= 1.0001
    assert box.y + box.height <= 1.0001


def test_group_with_a_label_that_the_model_lacks_is_refused():
    with pytest.raises(
        ConfigError, match=r"labels\.good holds 'joy', which is no label of the model: these are happy, neutral, sad"
    ):
        PayloadBuilder("b", LABELS, {"good": ["joy"]})


@given(st.floats(0, 4e9))
def test_timestamps_are_rfc_3339_in_utc(seconds):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", timestamp(seconds))


LEFT, LOWER = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)], [(0, 0.5), (1, 0.5), (1, 1), (0, 1)]


def test_face_carries_the_zones_in_which_its_centre_lies():
    builder = PayloadBuilder("b", LABELS, GROUPS)
    assert builder.state([view()], frame(), 0).zones == {}
    builder.set_zones({"left": LEFT, "lower": LOWER})
    # In a frame of 200x100: the centres are (70, 40), (150, 80), (20, 90) and, outside the frame, (-5, 104).
    boxes = [Box(50, 20, 40, 40), Box(140, 70, 20, 20), Box(10, 80, 20, 20), Box(-20, 89, 30, 30)]
    faces = [view(box, label, number) for number, (box, label) in enumerate(zip(boxes, "abcd", strict=True), 1)]
    state = builder.state(faces, frame(), 0)
    assert [face.zones for face in state.faces] == [["left"], ["lower"], ["left", "lower"], ["left", "lower"]]
    summaries = {name: (zone.present, zone.faces, zone.emotion) for name, zone in state.zones.items()}
    assert summaries == {"left": (True, 3, "a"), "lower": (True, 3, "d")}
    assert state.zones["left"].valence == state.faces[0].valence
    conforms(state, "state")
    for face, seen in zip(faces, state.faces, strict=True):
        event = builder.event(Event(EventKind.FACE_LEFT, face, None, frame()))
        assert event.face.zones == seen.zones
    conforms(event, "event")
    for empty in (builder.state([], None, 0), builder.state([view(Box(140, 10, 20, 20))], frame(), 0)):
        assert {
            (zone.present, zone.faces, zone.emotion, zone.confidence, zone.valence) for zone in empty.zones.values()
        } == {(False, 0, None, None, None)}
    conforms(builder.state([], None, 0, paused=True), "state")
