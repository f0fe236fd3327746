"""Covers faults of broker, network and process: no accepted event is lost or reordered.

An event is accepted once the broker has acknowledged it or the disk holds it. The tests run the sink with a real
mosquitto rather than the whole daemon: the pipeline produces a few events a minute, and these runs need thousands.
The seed fixes which faults happen and for how long; their timing relative to the events differs between machines.
"""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.messages.payloads import encode
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.faults import Network, Witness, check
from support.mqtt import TIMEOUT_SECONDS, event, on_disk, wait_until
from support.program import run, start

ROUNDS = 20
SEED = 20261121
SETTINGS = {"reconnect_max_seconds": 0.2, "replay_per_second": 2000.0}
"""A sensor that reconnects at once, so that the run is short."""

# A slow or disconnected subscriber must not cause a loss.
BROKER = {"persistence": True, "extra": ["max_inflight_messages 0", "autosave_interval 0"]}


@pytest.fixture
def broker(make_broker: Callable[..., PrivateBroker]) -> PrivateBroker:
    broker = make_broker(**BROKER)
    broker.start()
    return broker


@pytest.fixture
def witness(broker: PrivateBroker) -> Iterator[Witness]:
    witness = Witness(broker.port)
    # The broker has the session on disk from its first stop on; a kill before that would lose it.
    broker.stop()
    broker.start()
    assert witness.connected.wait(TIMEOUT_SECONDS)
    yield witness
    witness.close()


class EventSource:
    """A sink with a thread that gives it events at random moments until `finish`."""

    def __init__(self, port: int, folder: Path, rng: random.Random) -> None:
        mqtt = MqttConfig(url=f"mqtt://127.0.0.1:{port}", outbox_directory=str(folder), **SETTINGS)  # type: ignore[arg-type]
        self.sink = MqttSink(mqtt, "cam")
        self.sent = 0
        self._rng = rng
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sink.start()
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._rng.uniform(0.0, 0.02)):
            self.sink.event(event(self.sent + 1, boot_id="first"), time.monotonic())
            self.sent += 1

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()
        wait_until(self.sink.drained)
        assert self.sink.close(TIMEOUT_SECONDS)
        assert self.sink.status().outbox_dropped == 0


def wait_for_event(witness: Witness, boot_id: str, last: int) -> None:
    wait_until(lambda: any(one.seq == last and one.boot_id == boot_id for one in witness.arrivals))


@pytest.mark.parametrize("fault", ["terminated", "killed"])
def test_broker_restarts_lose_no_accepted_event(
    fault: str, broker: PrivateBroker, witness: Witness, tmp_path: Path
) -> None:
    """A mosquitto that is terminated stores what it holds; one that is killed loses it.

    Even then it has written each event to the subscriber's socket before it acknowledges it to the sensor, as long as
    the subscriber is connected. So a kill comes at any moment, but only while the subscriber is connected: what the
    broker loses otherwise it had acknowledged, and no sensor can prevent that.
    """
    rng = random.Random(SEED)
    source = EventSource(broker.port, tmp_path, rng)
    for _ in range(ROUNDS):
        assert witness.connected.wait(TIMEOUT_SECONDS)
        time.sleep(rng.uniform(0.0, 0.3))
        if fault == "killed":
            witness.hold()
            broker.kill()
        else:
            broker.stop()
        time.sleep(rng.uniform(0.0, 0.2))
        broker.start()
    source.finish()
    wait_for_event(witness, "first", source.sent)
    check(witness.arrivals, {"first": source.sent})
    assert source.sent > ROUNDS


def test_network_faults_lose_no_accepted_event(broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    network = Network(broker.port, rng)
    faults = [network.drop, network.delay, network.refuse, lambda _seconds: network.reset()]
    try:
        source = EventSource(network.port, tmp_path, rng)
        for count in range(ROUNDS + 4):
            time.sleep(rng.uniform(0.0, 0.3))
            faults[count % len(faults)](rng.uniform(0.0, 0.3))
        source.finish()
    finally:
        network.close()
    wait_for_event(witness, "first", source.sent)
    check(witness.arrivals, {"first": source.sent})
    assert source.sent > ROUNDS


PROCESS = """
import random, sys, time
from msgspec import json, structs
from edge.config.mqtt_schema import MqttConfig
from edge.messages.payloads import EventPayload
from edge.mqtt.sink import MqttSink
from edge.mqtt.outbox.store import Store

url, folder, boot_id, seed, settings, event = sys.argv[1:]
rng, event = random.Random(seed), json.decode(event, type=EventPayload)
sink = MqttSink(MqttConfig(url=url, outbox_directory=folder, **json.decode(settings)), "cam")
write, saved = Store.write, 0

def write_and_note(store, events, *others):
    global saved
    rows = write(store, events, *others)
    # Events of this boot are written in order: on return all up to this one are on disk, or acknowledged.
    records = [json.decode(row.json) for row in events]
    saved = max([saved, *(record["seq"] for record in records if record["boot_id"] == boot_id)])
    return rows

def accepted():
    # The broker acknowledges in order, so all but the last `outbox_depth` are acknowledged.
    return max(saved, seq - sink.status().outbox_depth)

Store.write = write_and_note
sink.start()
seq = printed = 0
while True:
    seq += 1
    sink.event(structs.replace(event, id=f"{boot_id}:{seq}", boot_id=boot_id, seq=seq), time.monotonic())
    until = time.monotonic() + rng.uniform(0, 0.01)
    while time.monotonic() < until or not seq % 10 and accepted() < seq:
        if accepted() > printed:
            printed = accepted()
            print(printed, flush=True)
        time.sleep(0.0005)
"""


class SensorProcess:
    """A process with a sink, to be killed. `accepted`: the highest accepted `seq` that it has printed."""

    def __init__(self, broker: PrivateBroker, folder: Path, boot_id: str) -> None:
        template = encode(event(1)).decode()
        settings = '{"reconnect_max_seconds": 0.2, "replay_per_second": 500}'
        self.accepted = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, broker.url, str(folder), boot_id, f"{SEED} {boot_id}", settings, template],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                self.accepted = int(line)

    def kill_after(self, seconds: float) -> int:
        """Kill it `seconds` after its first event was accepted; return the highest accepted `seq`."""
        try:
            wait_until(lambda: self.accepted)
            time.sleep(seconds)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()
        return self.accepted


def test_killed_processes_lose_no_accepted_event(broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    """Four of five are killed while the broker is away, the fifth while it sends the backlog to the broker."""
    rng = random.Random(SEED)
    accepted: dict[str, int] = {}
    for count in range(ROUNDS * 5 // 4):
        boot_id = f"boot-{count}"
        away = count % 5 != 4
        if count % 5 == 0:
            broker.stop()
        elif not away:
            broker.start()
        accepted[boot_id] = SensorProcess(broker, tmp_path, boot_id).kill_after(rng.uniform(0.0, 0.15))
    mqtt = MqttConfig(url=broker.url, outbox_directory=str(tmp_path), **SETTINGS)  # type: ignore[arg-type]
    last = MqttSink(mqtt, "cam")
    last.start()
    last.event(event(1, boot_id="last"), time.monotonic())
    wait_until(last.drained)
    assert last.close(TIMEOUT_SECONDS)
    wait_for_event(witness, "last", 1)
    check(witness.arrivals, accepted | {"last": 1})
    assert min(accepted.values()) > 0
    assert list(tmp_path.glob("*.bad-*")) == []


def test_killed_program_sends_its_outbox_after_the_next_start(
    broker: PrivateBroker, witness: Witness, tmp_path: Path
) -> None:
    """The whole program: the events on disk after the kill arrive, and those of the next boot after them."""
    broker.stop()
    state = tmp_path / "state"
    settings = {"EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY": str(state), "EMOTION_EDGE_DEVICE_ID": "cam"}
    endless = "scripted:happy=2,surprise=2?seed=5&loop=1"
    with start("run", "--fast", "--source", endless, "--mqtt", broker.url, **settings) as process:
        try:
            wait_until(lambda: len(on_disk(state, tmp_path / "copy")) >= 3)
        finally:
            process.kill()
            process.communicate()
    kept = on_disk(state, tmp_path / "copy")
    broker.start()
    result = run("run", "--source", "scripted:happy=2,none=1?seed=5", "--fast", "--mqtt", broker.url, **settings)
    assert result.returncode == 0, result.stderr
    assert f"{len(kept)} event(s) of earlier runs wait in" in result.stderr
    wait_until(lambda: any(one.boot_id != kept[0][0] for one in witness.arrivals))
    arrived = [(one.boot_id, one.seq) for one in witness.arrivals]
    assert arrived[: len(kept)] == kept
    assert [seq for _, seq in kept] == list(range(1, len(kept) + 1))
    assert arrived[len(kept)][1] == 1
