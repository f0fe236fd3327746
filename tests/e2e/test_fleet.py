"""Covers a fleet of two hundred sensors whose broker restarts: reconnections spread out, and no event is lost."""

import json
import random
import re
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.messages.payloads import encode
from edge.mqtt.settings import reconnect_backoff
from support.broker import PrivateBroker
from support.faults import Arrival, Witness, check
from support.mqtt import TIMEOUT_SECONDS, event, wait_until

SENSORS = 200
PROCESSES = 4
AWAY_SECONDS = 1.0
"""As long as a restart for an upgrade: the worst case, because all sensors are at their first attempt to reconnect."""
RECONNECT_SECONDS = 60.0
MAX_SHARE = 0.5
"""Share of the fleet that may connect in any one second. Twice what the waits alone lead to: on a busy machine some
sensors wake up late."""

PROCESS = """
import sys, threading, time
from msgspec import json, structs
from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.messages.payloads import EventPayload
from edge.mqtt.sink import MqttSink

url, folder, first, count, event = sys.argv[1:]
event = json.decode(event, type=EventPayload)
attempts, reconnected, connect = [], {}, Connector.connect

def connect_and_note(self, *arguments):
    attempts.append(time.monotonic())
    return connect(self, *arguments)

Connector.connect = connect_and_note
# Default settings: the test measures how the sensors wait.
names = [f"cam-{number}" for number in range(int(first), int(first) + int(count))]
sinks = {name: MqttSink(MqttConfig(url=url, outbox_directory=folder), name) for name in names}
sent = dict.fromkeys(names, 0)
for sink in sinks.values():
    sink.start()
print("started", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
away = set()
while not stop.is_set():
    for name, sink in sinks.items():
        sent[name] += 1
        seq = sent[name]
        sink.event(structs.replace(event, id=f"{name}:{seq}", boot_id=name, seq=seq), time.monotonic())
        until = time.monotonic() + 2.0 / len(sinks)
        for other in names:
            if sinks[other].status().broker == "disconnected":
                away.add(other)
            elif other in away:
                away.remove(other)
                reconnected[other] = time.monotonic()
        time.sleep(max(0.0, until - time.monotonic()))
safe = [sink.close(60.0) for sink in sinks.values()]
left = sum(sink.status().outbox_depth + sink.status().outbox_dropped for sink in sinks.values())
print(json.encode({"attempts": attempts, "reconnected": reconnected, "sent": sent, "left": left}).decode(), flush=True)
sys.exit(not all(safe))
"""


class Fleet:
    """The sensors, distributed over a few processes."""

    def __init__(self, url: str, folder: Path) -> None:
        each = SENSORS // PROCESSES
        template = encode(event(1)).decode()
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, url, str(folder), str(first), str(each), template],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
            )
            for first in range(0, SENSORS, each)
        ]

    def wait_for_start(self) -> None:
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"

    def finish(self) -> list[dict[str, object]]:
        reports = []
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in self._processes:
            out, _ = process.communicate(timeout=2 * TIMEOUT_SECONDS)
            assert process.returncode == 0
            reports.append(json.loads(out))
        return reports

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def broker(make_broker: Callable[..., PrivateBroker]) -> PrivateBroker:
    broker = make_broker(persistence=True, extra=["max_inflight_messages 0", "autosave_interval 0"])
    broker.start()
    return broker


@pytest.fixture
def fleet(broker: PrivateBroker, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(broker.url, tmp_path)
    yield fleet
    fleet.close()


def peak_per_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max((number + 1 - bisect_left(moments, moment - 1.0) for number, moment in enumerate(moments)), default=0)


def peak_of_the_waits_alone() -> int:
    """Return the highest number of attempts per second of many simulated fleets, where only the waits take time."""
    peaks = []
    for seed in range(20):
        rng = random.Random(seed)
        attempts = []
        for _ in range(SENSORS):
            backoff, moment = reconnect_backoff(60.0, rng), 0.0
            while moment < AWAY_SECONDS:
                moment += backoff.next_seconds()
                attempts.append(moment)
        peaks.append(peak_per_second(attempts))
    return max(peaks)


def reconnected(broker: PrivateBroker, log_length: int) -> set[str]:
    return set(re.findall(r"New client connected from \S+ as emotion-edge-(cam-\d+) ", broker.log()[log_length:]))


def test_broker_restart_spreads_reconnections_and_loses_no_event(broker: PrivateBroker, fleet: Fleet) -> None:
    witness = Witness(broker.port)
    try:
        fleet.wait_for_start()
        wait_until(lambda: len({one.boot_id for one in witness.arrivals}) == SENSORS)
        log_length = len(broker.log())
        stopped_at = time.monotonic()
        broker.stop()
        time.sleep(max(0.0, stopped_at + AWAY_SECONDS - time.monotonic()))
        broker.start()
        began = time.monotonic()
        while len(reconnected(broker, log_length)) < SENSORS:
            assert time.monotonic() < began + RECONNECT_SECONDS
            time.sleep(0.3)
        time.sleep(1.0)  # some more events of each sensor
        reports = fleet.finish()
        sent = {name: count for report in reports for name, count in report["sent"].items()}
        wait_until(lambda: len({(one.boot_id, one.seq) for one in witness.arrivals}) >= sum(sent.values()))
        arrivals = witness.arrivals
    finally:
        witness.close()

    moments = {name: moment for report in reports for name, moment in report["reconnected"].items()}
    assert len(moments) == len(sent) == SENSORS
    assert max(moments.values()) - began <= RECONNECT_SECONDS

    attempts = [moment for report in reports for moment in report["attempts"] if moment > stopped_at]
    peak, expected = peak_per_second(attempts), peak_of_the_waits_alone()
    measured = (
        f"{SENSORS} sensors, {len(attempts)} attempts in {max(attempts) - stopped_at:.1f} s, at most {peak} a second "
        f"({expected} by the waits alone); all reconnected {max(moments.values()) - began:.1f} s after the broker"
    )
    assert expected <= MAX_SHARE * SENSORS, "the waits themselves are too similar"
    assert peak <= MAX_SHARE * SENSORS, measured

    assert sum(report["left"] for report in reports) == 0
    by_sensor: dict[str, list[Arrival]] = {name: [] for name in sent}
    for one in arrivals:
        by_sensor[one.boot_id].append(one)
    for name, count in sent.items():
        check(by_sensor[name], {name: count})
    assert any(one.marked for one in arrivals), "no event happened while the broker was away"
