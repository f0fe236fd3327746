"""Nothing that was accepted is lost, whatever breaks: the real sink, a real mosquitto, real processes killed.

An event is accepted once the broker has acknowledged it or the disk holds it. What is driven is the
sink rather than the whole daemon: the line makes a few events a minute, and these runs need thousands.
The seed fixes what happens and for how long; what the machine makes of it differs.
"""

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.config.schema import MqttConfig
from edge.messages.payloads import encode
from edge.mqtt.outbox.store import Store
from edge.mqtt.sink import MqttSink
from support.faults import Network, Witness, check
from support.mqtt import TIMEOUT_SECONDS, event, wait_until
from support.program import run, start

# Not of the lane of the device: no interpreter has a part in this.
ROUNDS = 20
SEED = 20261121
SETTINGS = {"reconnect_max_seconds": 0.2, "replay_per_second": 2000.0}
"""A sensor that is back at once, so that the run is short."""

# A subscriber that is slow, or away, must not be what loses something.
BROKER = {"persistence": True, "extra": ["max_inflight_messages 0", "autosave_interval 0"]}


@pytest.fixture
def broker(make_broker: Callable[..., PrivateBroker]) -> PrivateBroker:
    broker = make_broker(**BROKER)
    broker.start()
    return broker


@pytest.fixture
def witness(broker: PrivateBroker) -> Iterator[Witness]:
    witness = Witness(broker.port)
    # A session is on disk from the first orderly end on; a kill would forget it before.
    broker.stop()
    broker.start()
    assert witness.connected.wait(TIMEOUT_SECONDS)
    yield witness
    witness.close()


class Chatter:
    """A sink that is given events at random moments until it is closed."""

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


def until_all_came(witness: Witness, boot_id: str, last: int) -> None:
    wait_until(lambda: any(one.seq == last and one.boot_id == boot_id for one in witness.arrivals))


@pytest.mark.parametrize("way", ["terminated", "killed"])
def test_broker_dies_and_comes_back(way: str, broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    """A mosquitto that is terminated stores what it holds; one that is killed forgets it.

    Even then it has put into the subscriber's socket what it acknowledges to us, in this order, as long
    as the subscriber is there. So a kill comes at any moment, but while the subscriber is connected:
    what it loses otherwise it had acknowledged, and no sensor can do anything about that.
    """
    rng = random.Random(SEED)
    chatter = Chatter(broker.port, tmp_path, rng)
    for _ in range(ROUNDS):
        assert witness.connected.wait(TIMEOUT_SECONDS)
        time.sleep(rng.uniform(0.0, 0.3))
        if way == "killed":
            witness.hold()
            broker.kill()
        else:
            broker.stop()
        time.sleep(rng.uniform(0.0, 0.2))
        broker.start()
    chatter.finish()
    until_all_came(witness, "first", chatter.sent)
    check(witness.arrivals, {"first": chatter.sent})
    assert chatter.sent > ROUNDS


def test_network_breaks(broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    network = Network(broker.port, rng)
    faults = [network.drop, network.delay, network.refuse, lambda _seconds: network.reset()]
    try:
        chatter = Chatter(network.port, tmp_path, rng)
        for count in range(ROUNDS + 4):
            time.sleep(rng.uniform(0.0, 0.3))
            faults[count % len(faults)](rng.uniform(0.0, 0.3))
        chatter.finish()
    finally:
        network.close()
    until_all_came(witness, "first", chatter.sent)
    check(witness.arrivals, {"first": chatter.sent})
    assert chatter.sent > ROUNDS


PROCESS = """
import random, sys, time
from msgspec import json, structs
from edge.config.schema import MqttConfig
from edge.messages.payloads import EventPayload
from edge.mqtt.sink import MqttSink
from edge.mqtt.outbox.store import Store

url, folder, boot_id, seed, settings, event = sys.argv[1:]
rng, event = random.Random(seed), json.decode(event, type=EventPayload)
sink = MqttSink(MqttConfig(url=url, outbox_directory=folder, **json.decode(settings)), "cam")
sink.start()
seq = said = 0
while True:
    seq += 1
    sink.event(structs.replace(event, id=f"{boot_id}:{seq}", boot_id=boot_id, seq=seq), time.monotonic())
    until = time.monotonic() + rng.uniform(0, 0.01)
    while time.monotonic() < until or not seq % 10 and sink.accepted_seq < seq:
        if sink.accepted_seq > said:
            said = sink.accepted_seq
            print(said, flush=True)
        time.sleep(0.0005)
"""


class Doomed:
    """A process with a sink of its own, killed before it can end. `accepted`: the last that it said."""

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
        """Kill it some time after its first word; return what it had accepted by then."""
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


def test_process_is_killed_while_the_broker_is_away(broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    """Each fifth is killed while it hands the backlog to a broker that is there."""
    rng = random.Random(SEED)
    accepted: dict[str, int] = {}
    for count in range(ROUNDS * 5 // 4):
        boot_id = f"boot-{count}"
        away = count % 5 != 4
        if count % 5 == 0:
            broker.stop()
        elif not away:
            broker.start()
        accepted[boot_id] = Doomed(broker, tmp_path, boot_id).kill_after(rng.uniform(0.0, 0.15))
    mqtt = MqttConfig(url=broker.url, outbox_directory=str(tmp_path), **SETTINGS)  # type: ignore[arg-type]
    last = MqttSink(mqtt, "cam")
    last.start()
    last.event(event(1, boot_id="last"), time.monotonic())
    wait_until(last.drained)
    assert last.close(TIMEOUT_SECONDS)
    until_all_came(witness, "last", 1)
    check(witness.arrivals, accepted | {"last": 1})
    assert min(accepted.values()) > 0
    assert list(tmp_path.glob("*.bad-*")) == []


def test_the_whole_program_is_killed_and_starts_again(broker: PrivateBroker, witness: Witness, tmp_path: Path) -> None:
    """Once, with camera, line and all: what the file holds after the kill arrives, and the next boot after it."""
    broker.stop()
    state = tmp_path / "state"
    settings = {"EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY": str(state), "EMOTION_EDGE_DEVICE_ID": "cam"}
    endless = "scripted:happy=2,surprise=2?seed=5&loop=1"
    with start("run", "--fast", "--source", endless, "--mqtt", broker.url, **settings) as process:
        try:
            wait_until(lambda: len(kept_by(state, tmp_path / "copy")) >= 3)
        finally:
            process.kill()
            process.communicate()
    kept = kept_by(state, tmp_path / "copy")
    broker.start()
    result = run("run", "--source", "scripted:happy=2,none=1?seed=5", "--fast", "--mqtt", broker.url, **settings)
    assert result.returncode == 0, result.stderr
    assert f"{len(kept)} event(s) of earlier runs wait in" in result.stderr
    wait_until(lambda: any(one.boot_id != kept[0][0] for one in witness.arrivals))
    arrived = [(one.boot_id, one.seq) for one in witness.arrivals]
    assert arrived[: len(kept)] == kept
    assert [seq for _, seq in kept] == list(range(1, len(kept) + 1))
    assert arrived[len(kept)][1] == 1


def kept_by(state: Path, copy: Path) -> list[tuple[str, int]]:
    """Boot and number of what a start at this moment would find."""
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(state, copy)
    except (OSError, shutil.Error):  # it is being made just now
        return []
    store = Store(copy / "outbox-cam.sqlite3")
    try:
        return [(row.event.boot_id, row.event.seq) for row in store.open()]
    finally:
        store.close()
