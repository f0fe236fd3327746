"""What Home Assistant shows for each payload that a topic can hold."""

import datetime
from typing import Any

import msgspec
import pytest

from edge.control.protocol import request_of
from edge.homeassistant.discovery import discovery
from edge.levels import LADDER
from edge.messages.calm_face import CalmFaceInfo
from edge.messages.payloads import EventPayload, LatencyPercentiles, ZoneState, encode
from edge.messages.topics import STATUS_WORDS, Topics
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import event, health, info, state

TOPICS = Topics("emotion-edge", "cam")
MESSAGE = discovery("homeassistant", TOPICS, info())
ENTITIES = rules.read(MESSAGE.topic, MESSAGE.payload)
IN_VIEW = ("emotion", "confidence", "faces", "present")
OF_THE_CAMERA = (*IN_VIEW, "valence")
"""Entities that say nothing while the camera is away."""


def moment_of(payload: EventPayload, age_seconds: float) -> datetime.datetime:
    """Return when an event arrives that is so old then."""
    return datetime.datetime.fromisoformat(payload.time) + datetime.timedelta(seconds=age_seconds)


def in_view(emotion: str | None = "happy", **changes: Any) -> list[Any]:
    payload = encode(msgspec.structs.replace(state(emotion), **changes))
    return [view.take(ENTITIES[key], payload) for key in (*IN_VIEW, "paused")]


def shown(key: str, **changes: Any) -> Any:
    return view.take(ENTITIES[key], encode(health(**changes)))


def test_face_in_view_sets_all_entities() -> None:
    assert in_view() == ["happy", 90, 1, True, False]


def test_no_face_in_view_is_shown_as_nobody() -> None:
    assert in_view(None) == ["nobody", None, 0, False, False]


def test_face_below_the_threshold_is_unknown_but_present() -> None:
    assert in_view("unknown", confidence=0.31) == [None, 31, 1, True, False]


def test_confidence_is_that_of_the_held_emotion_and_its_attributes_have_the_leader() -> None:
    held = encode(msgspec.structs.replace(state("neutral"), confidence=0.62, leader="happy", leader_confidence=0.549))
    assert view.take(ENTITIES["emotion"], held) == "neutral"
    assert view.take(ENTITIES["confidence"], held) == 62
    assert view.attributes(ENTITIES["confidence"], held) == {"leader": "happy", "leader_percent": 55}
    nobody, earlier = encode(state(None)), b'{"emotion":"sad","confidence":0.62,"paused":false}'
    for payload in (nobody, earlier):
        assert view.attributes(ENTITIES["confidence"], payload) == {"leader": None, "leader_percent": None}


def test_valence_is_that_of_the_largest_face_and_unknown_without_one() -> None:
    entity = ENTITIES["valence"]
    assert isinstance(entity, rules.Sensor)
    assert entity.state_class == "measurement"
    assert view.take(entity, encode(msgspec.structs.replace(state("happy"), valence=-0.25))) == -0.25
    assert view.take(entity, encode(state(None))) is None
    assert view.take(entity, encode(msgspec.structs.replace(state(None), paused=True))) is None
    assert view.take(entity, b'{"emotion":"sad","confidence":0.62,"paused":false}') is None


def test_without_weights_valence_is_removed_and_nothing_else() -> None:
    plain = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), valence=None))
    assert msgspec.json.decode(plain.payload)["components"]["valence"] == {"platform": "sensor"}
    assert rules.read(plain.topic, plain.payload).keys() == ENTITIES.keys() - {"valence", "valence_today"}


def test_faces_are_unknown_while_paused() -> None:
    assert in_view(None, paused=True) == [None, None, None, None, True]


def test_label_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(view.Refused, match="joyful"):
        in_view("joyful")


def test_event_entity_receives_the_event() -> None:
    payload = encode(event(1, group="positive"))
    assert view.take(ENTITIES["event"], payload) == {
        "event_type": "emotion_changed",
        "emotion": "happy",
        "previous": "neutral",
        "group": "positive",
        "confidence": 0.9,
        "leader": "happy",
        "leader_confidence": 0.9,
        "track": 1,
        "zones": [],
        "time": "2026-01-31T08:15:00.250Z",
        "clock_synchronised": False,
    }


@pytest.mark.parametrize("kind", ["face_appeared", "emotion_changed", "face_left"])
def test_every_type_of_event_is_accepted_with_null_fields(kind: str) -> None:
    taken = view.take(ENTITIES["event"], encode(event(1, type=kind, previous=None, group=None)))
    assert (taken["event_type"], taken["previous"], taken["group"]) == (kind, None, None)


@pytest.mark.parametrize("synchronised", [True, False])
@pytest.mark.parametrize("age_seconds", [-3600, 0, 4.9, 5.1, 3600])
def test_replayed_event_is_ignored_whatever_its_time(age_seconds: float, *, synchronised: bool) -> None:
    payload = encode(event(1, replayed=True, clock_synchronised=synchronised))
    assert view.take(ENTITIES["event"], payload, moment_of(event(1), age_seconds)) is None


@pytest.mark.parametrize("age_seconds", [-3600, -1, 0, 0.5, 2, 4.9])
def test_event_that_arrives_in_time_is_shown(age_seconds: float) -> None:
    payload = encode(event(1, clock_synchronised=True))
    assert view.take(ENTITIES["event"], payload, moment_of(event(1), age_seconds))["emotion"] == "happy"


@pytest.mark.parametrize("age_seconds", [5, 5.1, 20, 86_400])
def test_event_that_arrives_late_is_ignored_although_it_is_not_marked(age_seconds: float) -> None:
    payload = encode(event(1, clock_synchronised=True))
    assert view.take(ENTITIES["event"], payload, moment_of(event(1), age_seconds)) is None


def test_age_is_unknown_where_no_time_service_has_set_the_clock() -> None:
    payload = encode(event(1, clock_synchronised=False))
    assert view.take(ENTITIES["event"], payload, moment_of(event(1), 3600))["emotion"] == "happy"


def test_diagnostic_numbers_are_shown() -> None:
    latency = LatencyPercentiles(p50=10.0, p95=20.0, p99=31.5, max=40.0)
    assert shown("latency", latency_ms=latency) == 31.5
    assert shown("fps", fps=24.9) == 24.9
    assert shown("temperature", temperature_c=48.312) == 48.3
    assert shown("temperature", temperature_c=0.0) == 0.0
    assert shown("waiting", outbox_depth=7) == 7


def test_missing_numbers_are_unknown() -> None:
    assert shown("latency", latency_ms=None) is None
    assert shown("temperature", temperature_c=None) is None


@pytest.mark.parametrize("level", LADDER)
def test_every_degradation_level_is_an_option(level: Any) -> None:
    budget = msgspec.structs.replace(health().budget, level=level.name)
    assert shown("level", budget=budget) == level.name


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, False),
        ({"within_budget": True, "throttled": False}, False),
        ({"source": "ended"}, False),
        ({"source": "opening"}, False),
        ({"source": "paused", "paused": True}, False),
        ({"source": "stalled", "source_error": "no frame for 5 s"}, True),
        ({"source": "lost"}, True),
        ({"within_budget": False}, True),
        ({"outbox_durable": False}, False),  # memory only, as configured
        ({"outbox_durable": False, "outbox_problem": "disk full"}, True),
        ({"throttled": True}, True),
    ],
)
def test_problem_is_on_for_what_a_person_should_look_at(changes: dict[str, Any], problem: bool) -> None:  # noqa: FBT001
    assert shown("problem", **changes) is problem
    attributes = view.attributes(ENTITIES["problem"], encode(health(**changes)))
    assert attributes["source_error"] == changes.get("source_error")
    assert attributes["outbox_problem"] == changes.get("outbox_problem")


@pytest.mark.parametrize("word", STATUS_WORDS)
@pytest.mark.parametrize("source", ["opening", "ok", "paused", "stalled", "lost", "ended"])
def test_availability_follows_status_and_source(word: str, source: Any) -> None:
    latest = {TOPICS.status: word.encode(), TOPICS.health: encode(health(source=source))}
    for key, entity in ENTITIES.items():
        capturing = key not in OF_THE_CAMERA or source in ("ok", "paused", "ended")
        assert view.available(entity, latest) is (word == "online" and capturing), key
    assert not any(view.available(entity, {}) for entity in ENTITIES.values())


def test_switch_sends_valid_pause_requests() -> None:
    switch = ENTITIES["paused"]
    assert (switch.payload_on, switch.payload_off) == ('{"paused": true}', '{"paused": false}')
    assert not switch.retain


ZONED = msgspec.structs.replace(info(), zones={"door": [(0, 0), (1, 0), (1, 1)], "x-Y_2": [(0, 0), (1, 0), (1, 1)]})
ZONE_MESSAGE = discovery("homeassistant", TOPICS, ZONED)
ZONE_ENTITIES = rules.read(ZONE_MESSAGE.topic, ZONE_MESSAGE.payload)


def in_zone(name: str, payload: bytes) -> list[Any]:
    return [view.take(ZONE_ENTITIES[f"zone_{name}_{key}"], payload) for key in ("present", "faces", "emotion")]


def test_each_zone_has_entities_of_its_own() -> None:
    assert set(ZONE_ENTITIES) - set(ENTITIES) == {
        f"zone_{name}_{key}" for name in ("door", "x-Y_2") for key in ("present", "faces", "emotion")
    }
    door = ZoneState(present=True, faces=2, emotion="happy", confidence=0.9, valence=0.5)
    empty = ZoneState(present=False, faces=0, emotion=None, confidence=None, valence=None)
    both = msgspec.structs.replace(state("neutral"), zones={"door": door, "x-Y_2": empty})
    assert in_zone("door", encode(both)) == [True, 2, "happy"]
    assert in_zone("x-Y_2", encode(both)) == [False, 0, "nobody"]
    unsure = msgspec.structs.replace(door, emotion="unknown")
    assert in_zone("door", encode(msgspec.structs.replace(both, zones={"door": unsure}))) == [True, 2, None]
    # Not known while paused, in a state of an earlier version, and in one of before a reload.
    for payload in (
        encode(msgspec.structs.replace(both, paused=True)),
        b'{"present":true,"paused":false,"emotion":"sad","faces":[]}',
        encode(state("happy")),
    ):
        assert in_zone("door", payload) == [None, None, None]


def test_entities_of_a_zone_are_unavailable_while_the_camera_is_away() -> None:
    latest = {TOPICS.status: b"online", TOPICS.health: encode(health(source="lost"))}
    assert not view.available(ZONE_ENTITIES["zone_door_present"], latest)
    latest[TOPICS.health] = encode(health())
    assert view.available(ZONE_ENTITIES["zone_door_present"], latest)


def test_buttons_of_the_calm_face_send_valid_requests_and_are_removed_where_the_model_can_be_shown_none() -> None:
    def buttons(*, possible: bool, commands: bool = True) -> dict[str, Any]:
        described = msgspec.structs.replace(info(), calm_face=CalmFaceInfo(possible=possible))
        message = discovery("homeassistant", Topics("emotion-edge", "cam"), described, commands=commands)
        found = rules.read(message.topic, message.payload)
        return {key: found[key] for key in ("calibrate", "reset_calm_face") if key in found}

    found = buttons(possible=True)
    assert {key: one.command_topic for key, one in found.items()} == dict.fromkeys(
        ("calibrate", "reset_calm_face"), "emotion-edge/cam/request/calibrate"
    )
    requests = [request_of("calibrate", msgspec.json.decode(one.payload_press)) for one in found.values()]
    assert [request.calibrate for request in requests] == [True, False]
    assert buttons(possible=False) == {}
    assert buttons(possible=True, commands=False) == {}
