import pytest
from msgspec import structs

from edge.commands.fleet.devices import Device
from edge.commands.fleet.problems import KINDS, NOTES, judge
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import LatencyPercentiles, encode
from edge.messages.topics import Kind
from support.fleet import NOW_UNIX, device, messages
from support.mqtt import health, info

LATE = LatencyPercentiles(p50=90.0, p95=130.0, p99=140.4, max=160.0)


def take(one: Device, kind: Kind, payload: bytes, now: float = NOW_UNIX, *, retained: bool = False) -> Device:
    one.take(kind, payload, now, retained=retained)
    return one


def texts(one: Device, now: float = NOW_UNIX) -> list[str]:
    return [problem.text for problem in judge(one, now)]


def test_device_that_does_well_has_no_problem():
    assert judge(device(), NOW_UNIX) == []


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"status": "offline"}, "offline", "offline, last heard 1 s ago"),
        ({"time": timestamp(NOW_UNIX - 31)}, "silent", "no health for 31 s, although online"),
        ({"source": "lost", "source_error": "/dev/video0 is gone"}, "source", "source lost: /dev/video0 is gone"),
        ({"source": "stalled"}, "source", "source stalled"),
        ({"outbox_dropped": 1}, "events_lost", "1 event lost"),
        (
            {"within_budget": False, "latency_ms": LATE},
            "budget",
            "p99 of 140 ms over the budget of 100 ms",
        ),
        ({"throttled": True}, "throttled", "throttled by the firmware"),
        ({"info_settings_ignored": ["a", "b", "c"]}, "settings", "setting ignored: a (and 2 more)"),
        ({"outbox_problem": "disk full"}, "outbox", "events that wait are in memory only: disk full"),
        ({"messages_refused": 3}, "refused", "3 messages not taken by the broker"),
    ],
)
def test_each_problem_is_wrong_and_said(changes, kind, text):
    (problem,) = judge(device(**changes), NOW_UNIX)
    assert (problem.kind, problem.text, problem.wrong) == (kind, text, True)


@pytest.mark.parametrize(
    ("step", "wrong"),
    [("failed", True), ("went_back", True), ("refused", True), ("kept", False), ("fetching", False), ("later", False)],
)
def test_desired_state_that_failed_is_wrong(step, wrong):
    kept = b'{"desired":{"document":"spring","step":"%s","reason":"p99 over"},"health_interval_seconds":10}'
    one = take(device(), "info", kept % step.encode())
    text = f"desired state spring {step.replace('_', ' ')}: p99 over"
    assert texts(one) == ([text] if wrong else [])


def test_stopped_device_has_no_problem_whatever_its_last_health_says():
    one = device(status="stopped", source="lost", outbox_dropped=7, within_budget=False)
    assert judge(one, NOW_UNIX + 10**6) == []


def test_only_offline_is_said_of_an_offline_device():
    one = device(status="offline", source="lost")
    assert texts(one) == ["offline, last heard 1 s ago"]
    # Seen while this program listens, the time is that of the message.
    assert texts(take(one, "status", b"offline", NOW_UNIX + 60), NOW_UNIX + 65) == ["offline, last heard 5 s ago"]


def test_problems_come_worst_first():
    one = device(source="lost", throttled=True, within_budget=False, messages_refused=1, outbox_dropped=2)
    kinds = [problem.kind for problem in judge(one, NOW_UNIX)]
    assert kinds == ["source", "events_lost", "budget", "throttled", "refused"]
    assert [KINDS.index(kind) for kind in kinds] == sorted(KINDS.index(kind) for kind in kinds)


def test_silence_is_judged_by_the_interval_of_the_device():
    slow = device(info_health_interval_seconds=600.0, time=timestamp(NOW_UNIX - 1700))
    assert texts(slow) == []
    assert texts(slow, NOW_UNIX + 200) == ["no health for 32 min, although online"]
    # An earlier version does not say its interval: only after three of the longest it is silent.
    old = device(info_health_interval_seconds=None, time=timestamp(NOW_UNIX - 3 * 3600 + 1))
    assert texts(old) == []
    assert texts(old, NOW_UNIX + 60) == ["no health for 3 h, although online"]


def test_clock_that_is_wrong_is_a_note_where_the_device_is_heard():
    behind = timestamp(NOW_UNIX - 86400 * 400)
    assert texts(device(time=behind)) == ["no health for 400 days, although online"]
    live = take(device(), "health", encode(health(time=behind)))
    (note,) = judge(live, NOW_UNIX)
    assert (note.text, note.wrong) == ("its clock is 400 days behind", False)
    assert texts(live, NOW_UNIX + 31) == ["no health for 31 s, although online", "its clock is 400 days behind"]
    assert texts(device(time=timestamp(NOW_UNIX + 7200))) == ["its clock is 2 h ahead"]


def test_device_without_health_or_status_is_told_of_and_not_wrong():
    one = Device("old")
    take(one, "info", encode(info()), retained=True)
    notes = judge(one, NOW_UNIX)
    assert [note.text for note in notes] == ["no status", "no health"]
    assert not any(note.wrong for note in notes)
    assert {note.kind for note in notes} <= NOTES


@pytest.mark.parametrize("kind", ["status", "info", "health", "state"])
def test_malformed_payload_is_wrong_and_says_which(kind):
    one = take(device(), kind, b"\xff{nonsense")
    assert one.state is not None or kind == "state"
    (problem,) = judge(one, NOW_UNIX)
    assert problem.text.startswith(f"{kind} cannot be read: ")
    assert problem.wrong
    assert judge(take(one, kind, messages()[kind]), NOW_UNIX) == []


def test_fields_and_words_of_a_newer_version_are_tolerated():
    newer = b'{"schema":2,"version":"9.0","source":"dreaming","uptime_seconds":3,"fps":1,"new":{"deep":[1]}}'
    one = device()
    for kind in ("info", "health", "state"):
        take(one, kind, newer)
    assert texts(one) == []
    assert one.health is not None
    assert structs.asdict(one.health)["source"] == "dreaming"
