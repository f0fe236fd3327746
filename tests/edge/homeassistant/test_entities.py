"""What Home Assistant shows for each thing that a topic can say."""

from typing import Any

import msgspec
import pytest

from edge.homeassistant.discovery import discovery
from edge.levels import LADDER
from edge.messages.payloads import LatencyPercentiles, encode
from edge.messages.topics import STATUS_WORDS, Topics
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import event, health, info, state

TOPICS = Topics("emotion-edge", "cam")
MESSAGE = discovery("homeassistant", TOPICS, info())
ENTITIES = rules.read(MESSAGE.topic, MESSAGE.payload)
IN_VIEW = ("emotion", "confidence", "faces", "present")


def in_view(emotion: str | None = "happy", **changes: Any) -> list[Any]:
    payload = encode(msgspec.structs.replace(state(emotion), **changes))
    return [view.take(ENTITIES[key], payload) for key in (*IN_VIEW, "paused")]


def shown(key: str, **changes: Any) -> Any:
    return view.take(ENTITIES[key], encode(health(**changes)))


def test_a_face_in_view() -> None:
    assert in_view() == ["happy", 90, 1, True, False]


def test_nobody_in_view_is_a_word_of_its_own() -> None:
    assert in_view(None) == ["nobody", None, 0, False, False]


def test_a_face_that_the_model_is_not_sure_about_is_unknown_but_there() -> None:
    assert in_view("unknown", confidence=0.31) == [None, 31, 1, True, False]


def test_while_paused_nobody_knows_who_is_there() -> None:
    assert in_view(None, paused=True) == [None, None, None, None, True]


def test_a_label_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(view.Refused, match="joyful"):
        in_view("joyful")


def test_an_event_tells_what_happened() -> None:
    payload = encode(event(1, group="positive"))
    assert view.take(ENTITIES["event"], payload) == {
        "event_type": "emotion_changed",
        "emotion": "happy",
        "previous": "neutral",
        "group": "positive",
        "confidence": 0.9,
        "track": 1,
        "time": "2026-01-31T08:15:00.250Z",
    }


@pytest.mark.parametrize("kind", ["face_appeared", "emotion_changed", "face_left"])
def test_every_type_of_event_is_taken_also_with_what_is_null(kind: str) -> None:
    taken = view.take(ENTITIES["event"], encode(event(1, type=kind, previous=None, group=None)))
    assert (taken["event_type"], taken["previous"], taken["group"]) == (kind, None, None)


def test_an_event_that_had_to_wait_triggers_nothing() -> None:
    assert view.take(ENTITIES["event"], encode(event(1, replayed=True))) is None


def test_numbers_about_the_sensor() -> None:
    latency = LatencyPercentiles(p50=10.0, p95=20.0, p99=31.5, max=40.0)
    assert shown("latency", latency_ms=latency) == 31.5
    assert shown("fps", fps=24.9) == 24.9
    assert shown("temperature", temperature_c=48.312) == 48.3
    assert shown("temperature", temperature_c=0.0) == 0.0
    assert shown("waiting", outbox_depth=7) == 7


def test_what_a_board_does_not_tell_is_unknown() -> None:
    assert shown("latency", latency_ms=None) is None
    assert shown("temperature", temperature_c=None) is None


@pytest.mark.parametrize("level", LADDER)
def test_every_level_is_an_option(level: Any) -> None:
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
        ({"outbox_durable": False}, False),  # nothing on disk is what somebody asked for
        ({"outbox_durable": False, "outbox_problem": "disk full"}, True),
        ({"throttled": True}, True),
    ],
)
def test_a_problem_is_one(changes: dict[str, Any], problem: bool) -> None:  # noqa: FBT001
    assert shown("problem", **changes) is problem
    told = view.attributes(ENTITIES["problem"], encode(health(**changes)))
    assert told["source_error"] == changes.get("source_error")
    assert told["outbox_problem"] == changes.get("outbox_problem")


@pytest.mark.parametrize("word", STATUS_WORDS)
@pytest.mark.parametrize("source", ["opening", "ok", "paused", "stalled", "lost", "ended"])
def test_when_entities_are_available(word: str, source: Any) -> None:
    latest = {TOPICS.status: word.encode(), TOPICS.health: encode(health(source=source))}
    for key, entity in ENTITIES.items():
        sees = key not in IN_VIEW or source in ("ok", "paused", "ended")
        assert view.available(entity, latest) is (word == "online" and sees), key
    assert not any(view.available(entity, {}) for entity in ENTITIES.values())


def test_the_switch_says_what_the_sensor_understands() -> None:
    switch = ENTITIES["paused"]
    assert (switch.payload_on, switch.payload_off) == ('{"paused": true}', '{"paused": false}')
    assert not switch.retain
