"""The thread that follows documents, with real signatures and a sensor that the test plays."""

import json
import shutil
import sys
import time
from pathlib import Path

import msgspec
import pytest

from edge.config.desired_schema import DesiredConfig
from edge.config.loader import tables_of
from edge.config.schema import Config
from edge.desired.desired import Desired
from edge.messages.desired import Plan
from edge.mqtt.types import ReceivedMessage
from support.desired_sensor import QUICK, TOPIC, WATCH_SECONDS, Place, margin, plan
from support.mqtt import TIMEOUT_SECONDS
from support.signed_documents import Key


def test_settings_are_checked_tried_and_kept_and_are_there_after_a_restart(place: Place, key: Key) -> None:
    sensor = place.start()
    assert (sensor.desired.info.step, sensor.desired.info.counter) == ("none", 0)
    sensor.receive(key.payload(margin(0.2), 4))
    sensor.until(step="switched", counter=4, document="n", assigned=True)
    assert sensor.in_force.events.margin == 0.2
    sensor.until(step="kept", reason=None)
    sensor.end()
    again = place.start()
    assert again.start_config.events.margin == 0.2
    assert again.desired.info.step == "kept"
    # The broker repeats it at each connection: nothing begins anew.
    again.receive(key.payload(margin(0.2), 4))
    again.receive(key.payload(Plan(name="withdrawn"), 5))
    again.until(step="kept", counter=5, assigned=False)
    again.until_offers(1)
    assert again.in_force.events.margin == 0.35


def test_document_that_comes_before_the_sensor_is_ready_is_read_then(place: Place, key: Key) -> None:
    desired = Desired(place.config, "cam", place.folder, timing=QUICK)
    desired.over(tables_of(place.config))
    desired.received(ReceivedMessage(TOPIC, key.payload(Plan(name="n"), 3), retained=True), lambda *_: False)
    with desired.running():
        desired.start("normal")
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while desired.info.counter != 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.long
def test_nothing_is_lost_between_the_threads(place: Place, key: Key) -> None:
    """With threads that take turns as often as the interpreter can, each document is offered and told of."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        sensor = place.start()
        for counter in range(1, 31):
            sensor.receive(key.payload(margin(0.1 + counter / 100), counter, rollout=f"{counter:016x}"))
            told = None
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while told is None or (told.counter, told.step) != (counter, "kept"):
                assert time.monotonic() < deadline, told
                sensor.turn()
                told = sensor.desired.info if sensor.desired.take_news() else told
        assert len(sensor.offers) == 30
    finally:
        sys.setswitchinterval(before)


def test_each_refusal_is_said_once_and_counted_and_changes_nothing(
    place: Place, key: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = place.start()
    other = Key.make(tmp_path, "other")
    unsigned = json.loads(key.payload(margin(0.1), 9))
    unsigned["signature"] = "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n"
    changed = json.loads(key.payload(margin(0.1), 9))
    changed["document"] = changed["document"].replace("0.1", "0.9")
    bad = [
        json.dumps(unsigned).encode(),
        json.dumps(changed).encode(),
        other.payload(margin(0.1), 9),
        key.payload(margin(0.1), 9, base="museum"),
        b"x" * 70_000,
        b"{}",
    ]
    for number, payload in enumerate(bad, 1):
        for _ in range(2):
            sensor.receive(payload)
            sensor.until(refused=number, step="refused", counter=0)
    sensor.receive(key.payload(margin(0.2), 4))
    sensor.until(step="kept", counter=4)
    for number, payload in enumerate([key.payload(margin(0.1), 3), key.payload(margin(0.1), 4)], len(bad) + 1):
        sensor.receive(payload)
        info = sensor.until(refused=number, step="kept", counter=4)
    assert "another document" in str(info.refused_reason)
    assert sensor.in_force.events.margin == 0.2
    said = [one.getMessage() for one in caplog.records if "of the fleet refused" in one.getMessage()]
    assert len(said) == len(set(said)) == 8
    sensor.end()
    # A replay is refused also after a restart: the counter is on the disk.
    again = place.start()
    again.receive(key.payload(margin(0.1), 3))
    again.until(refused=1, counter=4)


def test_refused_document_is_accepted_when_it_comes_again_once_its_key_is_allowed(
    place: Place, key: Key, tmp_path: Path
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(Key.make(tmp_path, "old").signers.read_text(encoding="ascii"), encoding="ascii")
    desired = msgspec.structs.replace(place.config.desired, allowed_signers=str(signers))
    sensor = place.start(config=msgspec.structs.replace(place.config, desired=desired))
    payload = key.payload(Plan(name="n"), 3)
    sensor.receive(payload)
    sensor.until(refused=1, step="refused")
    with signers.open("a", encoding="ascii") as file:
        file.write(key.signers.read_text(encoding="ascii"))
    sensor.receive(payload)
    sensor.until(refused=1, step="kept", counter=3)


@pytest.mark.long
def test_cleared_topic_changes_nothing(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="kept")
    sensor.receive(b"")
    for _ in range(20):
        sensor.turn()
    assert (sensor.desired.info.step, sensor.desired.info.refused) == ("kept", 0)


@pytest.mark.long
def test_budget_that_is_not_kept_brings_back_what_was_before(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="kept")
    sensor.within = False
    sensor.receive(key.payload(margin(0.1), 2, rollout="1" * 16))
    info = sensor.until(step="went_back", counter=2)
    assert "of the trial were over budget.latency_ms" in str(info.reason)
    sensor.until_offers(3)
    assert sensor.in_force.events.margin == 0.2
    # The next stage of the same roll-out tries nothing twice; another roll-out does.
    sensor.receive(key.payload(margin(0.1), 3, rollout="1" * 16))
    sensor.until(step="went_back", counter=3)
    sensor.within = True
    sensor.receive(key.payload(margin(0.1), 4, rollout="2" * 16))
    sensor.until(step="kept", counter=4)
    assert sensor.in_force.events.margin == 0.1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"source.uri": "0"}, "source.uri cannot be set by a document: a change of it needs a restart"),
        ({"requests.settable": ["events"]}, "requests.settable cannot be set by a document: it decides on requests"),
        ({"events.margin": 7}, "events.margin is 7, but must be a number from 0 to 1"),
        ({"events.margn": 0.1}, "unknown key events.margn; did you mean margin?"),
        ({"detector.min_face": 0.9, "detector.max_face": 0.2}, "detector.min_face is 0.9, but must be at most"),
    ],
)
def test_settings_that_do_not_fit_are_all_left_out(place: Place, key: Key, settings: dict, reason: str) -> None:
    sensor = place.start()
    sensor.receive(key.payload(plan(settings={"events.dwell_seconds": 1.0, **settings}), 1))
    info = sensor.until(step="failed", counter=1)
    assert str(info.reason).startswith(reason)
    assert sensor.in_force == place.config
    assert sensor.offers == []


@pytest.mark.long
def test_sensor_that_cannot_switch_stays_as_it_is(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.refuse = "the frames have no colour"
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="failed", reason="the frames have no colour")
    assert sensor.in_force == place.config


@pytest.mark.long
def test_missing_signers_are_waited_for(place: Place, key: Key, tmp_path: Path) -> None:
    signers = tmp_path / "later"
    desired = DesiredConfig(enabled=True, allowed_signers=str(signers), watch_seconds=WATCH_SECONDS)
    sensor = place.start(config=Config(mqtt=place.config.mqtt, desired=desired))
    sensor.receive(key.payload(margin(0.2), 1))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while "allowed_signers" not in str(sensor.desired.info.reason):
        assert time.monotonic() < deadline
        sensor.turn()
    assert sensor.desired.info.refused == 0
    shutil.copy(key.signers, signers)
    sensor.until(step="kept", counter=1)


@pytest.mark.long
def test_document_that_cannot_be_verified_for_now_does_not_keep_the_sensor_from_going_back(
    place: Place, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = place.start()
    sensor.within = False
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    later = key.payload(margin(0.1), 2, rollout="1" * 16)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nonexistent")
        sensor.receive(later)
        sensor.until(step="went_back", counter=1)
        sensor.until_offers(2)
    assert sensor.in_force.events.margin == 0.35
    sensor.within = True
    sensor.until(step="kept", counter=2)


def test_health_is_reported_often_enough_during_a_trial(place: Place, key: Key) -> None:
    sensor = place.start()
    assert sensor.desired.report_seconds(3600.0) == 3600.0
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    assert sensor.desired.report_seconds(3600.0) == pytest.approx(WATCH_SECONDS / 10)
    assert sensor.desired.report_seconds(0.01) == 0.01
