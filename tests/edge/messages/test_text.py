import datetime
import re

import msgspec
import pytest

from edge.messages.payloads import BudgetStep
from edge.messages.text import clock, describe, describe_health, describe_state, mark_retained, printable
from support.mqtt import NOW, event, health, state


def test_control_characters_are_replaced() -> None:
    assert printable("\x1b[2Jhäppy\n\u2028→") == "�[2Jhäppy��→"


def test_time_stamp_is_a_local_time_of_day() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock(NOW))


@pytest.mark.parametrize("timestamp", ["", "soon", "2026-01-31T99:15:00.250Z"])
def test_impossible_time_stamp_is_dashes(timestamp: str) -> None:
    assert clock(timestamp) == "--:--:--"


def test_paused_sensor_is_described_as_paused() -> None:
    paused = msgspec.structs.replace(state(None), paused=True)
    assert describe_state(paused) == "paused: no frames are captured"
    assert describe_health(health(paused=True)) == "health: paused, no frames are captured"


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (event(1, type="face_appeared", confidence=0.974), "face 1 appeared: happy (97 %), 0 ms"),
        (event(1, latency_ms=12.4, confidence=0.91), "face 1: neutral → happy (91 %), 12 ms"),
        (
            event(1, emotion="unknown", confidence=0.41, leader="sad", leader_confidence=0.41),
            "face 1: neutral → unknown (best guess sad 41 %), 0 ms",
        ),
        (  # of an earlier version
            event(1, emotion="unknown", confidence=0.41, leader=None, leader_confidence=None),
            "face 1: neutral → unknown (best guess 41 %), 0 ms",
        ),
        (
            event(
                1,
                type="face_appeared",
                emotion="unknown",
                confidence=0.5,
                leader=None,
                leader_confidence=None,
                probabilities={"happy": 0.5, "neutral": 0.5},
            ),
            "face 1 appeared: unknown (not read yet), 0 ms",
        ),
        (event(1, group="positive"), "face 1: neutral → happy [positive] (90 %), 0 ms"),
        (event(1, replayed=True, latency_ms=61_234.0), "face 1: neutral → happy (90 %), sent 61.2 s late"),
        (event(1, type="face_left"), "face 1 left, last happy (90 %), 0 ms"),
        (
            event(1, type="face_left", emotion="sad", confidence=0.62, leader_confidence=0.55),
            "face 1 left, last sad (62 %; happy led with 55 %), 0 ms",
        ),
        (event(1, emotion="\x1b[2Jhappy", leader=None), "face 1: neutral → �[2Jhappy (90 %), 0 ms"),
    ],
)
def test_event_is_one_line(payload: object, line: str) -> None:
    assert describe(payload) == line


def test_state_and_health_are_one_line() -> None:
    assert describe_state(state(None)) == "no face in view"
    assert describe_state(state("happy")) == "in view: face 1 happy (90 %)"
    (face,) = state("happy").faces
    held = msgspec.structs.replace(
        face, track=2, emotion="sad", group="negative", confidence=0.6, leader_confidence=0.5
    )
    assert describe_state(msgspec.structs.replace(state("happy"), faces=[face, held])) == (
        "in view: face 1 happy (90 %), face 2 sad [negative] (60 %; happy leads with 50 %)"
    )
    assert describe_health(health(frames=0)) == "health: source ok, no frames yet"
    assert describe_health(health(frames=9, source="lost")) == "health: source lost, no new frames"
    assert (
        describe_health(
            health(source="lost", source_error="gone\n", within_budget=False, throttled=True, outbox_problem="full")
        )
        == "health: source lost (gone�), latency over the budget of 100 ms, throttled by the firmware, "
        "events that wait are in memory only"
    )


@pytest.mark.parametrize(
    ("seconds", "age"), [(0.2, "0 s"), (99, "99 s"), (180, "3 min"), (7300, "2 h"), (500_000, "6 days")]
)
def test_retained_message_is_marked_with_its_age(seconds: float, age: str) -> None:
    now = datetime.datetime.fromisoformat(NOW).timestamp() + seconds
    assert mark_retained(NOW, now) == f" (retained, from {age} ago)"


def test_retained_message_without_a_possible_age_is_marked() -> None:
    assert mark_retained(NOW, 0.0) == mark_retained(None, 0.0) == mark_retained("soon", 0.0) == " (retained)"


def test_health_names_the_level_unless_it_is_the_best() -> None:
    step = BudgetStep(time=NOW, from_level="full", to_level="seldom", reason="latency", detail="9 of 9 were slow")
    lower = msgspec.structs.replace(health().budget, level="seldom", level_index=1, steps=[step])
    assert describe_health(health(within_budget=True, budget=lower)) == (
        "health: source ok, latency within the budget of 100 ms, at level seldom (9 of 9 were slow)"
    )
    beyond = msgspec.structs.replace(lower, reachable_ms=140.0)
    assert describe_health(health(within_budget=False, budget=beyond)).endswith("even that takes too long)")


def test_zones_of_a_face_are_named() -> None:
    def in_zones(**changes: object) -> str:
        payload = event(1, **changes)
        return describe(msgspec.structs.replace(payload, face=msgspec.structs.replace(payload.face, zones=["a", "b"])))

    assert in_zones(type="face_appeared") == "face 1 appeared in a and b: happy (90 %), 0 ms"
    assert in_zones() == "face 1 in a and b: neutral → happy (90 %), 0 ms"
    assert in_zones(type="face_left") == "face 1 left, last in a and b happy (90 %), 0 ms"
    (face,) = state().faces
    zoned = msgspec.structs.replace(state(), faces=[msgspec.structs.replace(face, zones=["door"])])
    assert describe_state(zoned) == "in view: face 1 in door happy (90 %)"
