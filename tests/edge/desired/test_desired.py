"""The thread that follows documents, with real signatures, a real https server and a sensor that the test plays."""

import contextlib
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.config.desired_schema import DesiredConfig
from edge.config.loader import tables_of
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import BudgetConfig, Config, EventsConfig
from edge.desired.desired import Desired, create_desired
from edge.desired.state_file import StateFile
from edge.desired.worker import Timing
from edge.errors import ConfigError, ModelError, SourceError
from edge.messages.desired import Assignment, Plan
from edge.mqtt.types import ReceivedMessage
from support.mqtt import TIMEOUT_SECONDS, Certificates
from support.signed_documents import BASE, Key, ModelServer

TOPIC = f"{BASE}/fleet/desired"
WATCH_SECONDS = 0.3
QUICK = Timing(refused_pause_seconds=0.0, again_seconds=0.1, first_wait_seconds=0.1)


def plan(name: str = "n", **assignment: Any) -> Plan:
    return Plan(name=name, assignments=[Assignment(**assignment)])


def margin(value: float) -> Plan:
    return plan(settings={"events.margin": value})


class Sensor:
    """What the daemon does with `Desired`: takes offers, answers, reports health. `folder`: of the state."""

    def __init__(self, folder: Path, config: Config, *, within: bool = True) -> None:
        self.folder, self.within, self.offers = folder, within, []
        self.refuse: str | None = None
        self.plain = tables_of(config)
        self.desired = Desired(config, "cam", folder, timing=QUICK)
        self.start_config = self.desired.over(self.plain).config()
        self._end = contextlib.ExitStack()
        self._end.enter_context(self.desired.running())
        self.desired.start(self.start_config.model.name)

    def receive(self, payload: bytes) -> None:
        message = ReceivedMessage(TOPIC, payload, retained=True)
        self.desired.received(message, lambda *_: False)

    def turn(self) -> None:
        offer = self.desired.take()
        if offer is not None:
            self.desired.offered(offer)
            self.offers.append(offer)
            self.desired.answer(offer, self.refuse)
        self.desired.report(self.within)
        time.sleep(0.01)

    def until(self, **expected: Any) -> Any:
        """Go on until `info` has these values; returns it."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            info = self.desired.info
            if all(getattr(info, name) == value for name, value in expected.items()):
                return info
            assert time.monotonic() < deadline, info
            self.turn()

    def until_offers(self, count: int) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(self.offers) < count:
            assert time.monotonic() < deadline, self.desired.info
            self.turn()

    def end(self, error: Exception | None = None) -> None:
        """End the program: as it should, or with an error."""
        with contextlib.suppress(Exception):
            self._end.__exit__(None if error is None else type(error), error, None)

    @property
    def in_force(self) -> Any:
        return self.desired.over(self.plain).config()


class Place:
    """Starts sensors in one folder, or in others, and ends them all."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self._sensors: list[Sensor] = []

    def start(self, folder: Path | None = None, config: Config | None = None, *, within: bool = True) -> Sensor:
        self._sensors.append(Sensor(folder or self.folder, config or self.config, within=within))
        return self._sensors[-1]

    def end(self) -> None:
        for sensor in self._sensors:
            sensor.end()


@pytest.fixture
def place(tmp_path: Path, key: Key, certificates: Certificates) -> Iterator[Place]:
    config = Config(
        mqtt=MqttConfig(url="mqtt://127.0.0.1"),
        desired=DesiredConfig(
            enabled=True, allowed_signers=str(key.signers), ca_file=str(certificates.ca), watch_seconds=WATCH_SECONDS
        ),
        events=EventsConfig(margin=0.35),
        budget=BudgetConfig(latency_ms=5000.0),
    )
    place = Place(tmp_path / "desired-cam", config)
    yield place
    place.end()


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


def test_another_document_is_read_while_a_server_keeps_silent(place: Place, key: Key, server: ModelServer) -> None:
    model = server.add_model("slow")
    silent = threading.Event()
    server.answer = lambda _: not silent.wait(TIMEOUT_SECONDS)
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model), 1))
    sensor.until(step="fetching", counter=1)
    sensor.receive(key.payload(Plan(name="withdrawn"), 2, rollout="1" * 16))
    sensor.until(step="kept", counter=2)
    silent.set()


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


def test_model_is_fetched_checked_switched_and_kept(place: Place, key: Key, server: ModelServer) -> None:
    model = server.add_model("mine")
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model, settings={"events.margin": 0.2}), 1))
    sensor.until(step="kept", counter=1)
    (offer,) = sensor.offers
    assert offer.classifier is not None
    assert offer.classifier.manifest.name == "mine"
    assert sensor.in_force.model.name == str(offer.classifier.path)
    assert sensor.in_force.events.margin == 0.2
    sensor.end()
    # It is there without the server, and the model that is no more needed is removed.
    server.close()
    again = place.start()
    assert again.start_config.model.name == str(offer.classifier.path)
    again.receive(key.payload(Plan(name="withdrawn"), 2))
    again.until_offers(1)
    assert again.offers[0].classifier.manifest.name == "normal"
    again.until(counter=2)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while sorted(one.name for one in place.folder.iterdir()) != ["state.json"]:
        assert time.monotonic() < deadline
        again.turn()


@pytest.mark.long
def test_model_that_does_not_fit_fails_with_a_sentence(place: Place, key: Key, server: ModelServer) -> None:
    good = server.add_model("good")
    server.add_model("other", manifest=lambda content: content["input"].update(width=96))
    other = server.model("other")
    third = server.add_model("third", tail=b"more")
    server.add_model("unread", manifest=lambda content: content.pop("labels"))
    unread = server.model("unread")
    cases = [
        (
            plan(model=type(good)(**{**_fields(good), "sha256": "0" * 64})),
            r"has the sha256 .*, and the document states",
        ),
        (plan(model=type(good)(**{**_fields(good), "size": 10})), "has more bytes, and the document states 10"),
        (plan(model=unread), "cannot be used as the manifest of"),
        (plan(model=type(good)(**{**_fields(good), "manifest": third.manifest})), "does not belong to"),
        (plan(model=other), "doctor, check model: .*the model's input is 1x88x88x1, the manifest states 1x88x96x1"),
        (
            plan(model=good, settings={"labels": {"good": ["joyful"]}}),
            r"labels\.good holds 'joyful', which is no label",
        ),
    ]
    sensor = place.start()
    for counter, (wanted, reason) in enumerate(cases, 1):
        sensor.receive(key.payload(wanted, counter, rollout=f"{counter:016x}"))
        info = sensor.until(step="failed", counter=counter)
        assert re.search(reason, str(info.reason)), info.reason
    assert sensor.in_force == place.config
    assert sensor.offers == []


def _fields(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


@pytest.mark.long
def test_without_a_network_the_model_is_tried_again_until_it_is_there(
    place: Place, key: Key, server: ModelServer
) -> None:
    model = server.add_model("mine")
    server.answer = lambda handler: handler.send_error(503) is None
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model), 1))
    info = sensor.until(step="fetching", reason=f"{model.manifest.url} was answered with 503 Service Unavailable")
    assert info.counter == 1
    server.answer = lambda _: False
    sensor.until(step="kept")


def test_kill_at_each_step_leaves_a_state_that_goes_on(
    place: Place, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state that was ever on the disk is copied, and a sensor that starts with the copy gets to the end."""
    copies: list[Path] = []
    put = StateFile.put

    def copying(file: StateFile, state: Any) -> None:
        put(file, state)
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(file.folder, copies[-1])

    payload = key.payload(margin(0.2), 7)
    with monkeypatch.context() as patched:
        patched.setattr(StateFile, "put", copying)
        sensor = place.start()
        sensor.receive(payload)
        sensor.until(step="kept")
    steps = [json.loads((one / "state.json").read_bytes())["step"] for one in copies]
    assert steps == ["fetching", "checking", "switched", "kept"]
    for copy in copies:
        again = place.start(copy)
        again.receive(payload)
        again.until(step="kept", counter=7)
        assert again.in_force.events.margin == 0.2
        again.receive(key.payload(margin(0.1), 6))
        again.until(refused=1, counter=7)
        again.end()


@pytest.mark.long
def test_loop_of_crashes_during_the_trial_ends_at_the_start(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    sensor.end(ZeroDivisionError("a bug"))
    again = place.start()
    assert (again.desired.info.step, again.start_config.events.margin) == ("switched", 0.2)
    again.end(ModelError("cannot be run"))
    third = place.start()
    assert third.start_config == place.config
    assert third.desired.info.step == "went_back"
    assert "did not end as it should 2 times during the trial" in str(third.desired.info.reason)
    third.receive(key.payload(margin(0.2), 1))
    for _ in range(20):
        third.turn()
    assert third.desired.info.step == "went_back"


@pytest.mark.long
def test_restarts_and_a_camera_that_is_away_do_not_count_as_crashes(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    for error in (None, SourceError("no camera"), None, SourceError("no camera")):
        sensor.end(error)
        sensor = place.start()
        assert sensor.desired.info.step == "switched"
    sensor.until(step="kept")


@pytest.mark.long
def test_damaged_state_accepts_nothing_and_says_so(place: Place, key: Key) -> None:
    sensor = place.start()
    sensor.receive(key.payload(margin(0.2), 5))
    sensor.until(step="kept")
    sensor.end()
    (place.folder / "state.json").write_bytes(b"\0" * 50)
    again = place.start()
    assert again.start_config == place.config
    assert "fleet state file" in str(again.desired.info.reason)
    again.receive(key.payload(margin(0.1), 4))
    info = again.until(refused=1, step="refused")
    assert "is damaged" in str(info.refused_reason)
    assert (place.folder / "state.json").read_bytes() == b"\0" * 50


@pytest.mark.long
def test_lost_model_is_fetched_anew(place: Place, key: Key, server: ModelServer) -> None:
    sensor = place.start()
    sensor.receive(key.payload(plan(model=server.add_model("mine")), 1))
    sensor.until(step="kept")
    sensor.end()
    (file,) = place.folder.glob("*.tflite")
    file.write_bytes(b"damaged")
    again = place.start()
    assert again.start_config.model.name == "normal"
    assert again.desired.info.step == "fetching"
    assert "is missing or damaged" in str(again.desired.info.reason)
    again.until(step="kept")
    assert again.in_force.model.name == str(file)


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


@pytest.mark.long
def test_state_that_cannot_be_stored_is_not_acted_on(place: Place, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    sensor = place.start()
    with monkeypatch.context() as patched:
        patched.setattr("edge.system.kept_file.write_atomically", full)
        sensor.receive(key.payload(margin(0.2), 1))
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "No space left on device" not in str(sensor.desired.info.reason):
            assert time.monotonic() < deadline
            sensor.turn()
        assert (sensor.desired.info.counter, sensor.offers) == (0, [])
    sensor.until(step="kept", counter=1)


def test_it_is_off_by_default_and_needs_a_place_for_its_counter() -> None:
    assert create_desired(tables_of(Config(mqtt=MqttConfig(url="mqtt://h")))) is None
    assert create_desired(tables_of(Config(desired=DesiredConfig(enabled=True)))) is None
    nowhere = Config(mqtt=MqttConfig(url="mqtt://h", outbox_directory="none"), desired=DesiredConfig(enabled=True))
    with pytest.raises(ConfigError, match=r'^desired\.enabled is true, but mqtt\.outbox_directory is "none"'):
        create_desired(tables_of(nowhere))


def test_health_is_reported_often_enough_during_a_trial(place: Place, key: Key) -> None:
    sensor = place.start()
    assert sensor.desired.report_seconds(3600.0) == 3600.0
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    assert sensor.desired.report_seconds(3600.0) == pytest.approx(WATCH_SECONDS / 10)
    assert sensor.desired.report_seconds(0.01) == 0.01
