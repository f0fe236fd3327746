"""Many sensors in one process: the real publisher with its outbox on disk, and made-up events.

    python -m fleet.publishers OPTIONS        options as JSON, see `Options`

Reads words from standard input: `go` begins the events, `enough` ends them where not all were decided yet, `finish`
ends the sensors as a stop would. Writes `started`, then `decided` once no more events are to come, and at the end a
report as JSON, see `Report`.
"""

import contextlib
import logging
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge.config.mqtt_schema import MqttConfig
from edge.messages.payload_builder import PayloadBuilder
from edge.mqtt.connector import Connector
from edge.mqtt.sink import MqttSink
from edge.types import Box, Event, EventKind, Frame, TrackedFace
from support.mqtt import info

LABELS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
_KINDS: Final = (EventKind.FACE_APPEARED, EventKind.EMOTION_CHANGED, EventKind.EMOTION_CHANGED, EventKind.FACE_LEFT)
"""A visit: on average so many events."""
_STACK_BYTES: Final = 262_144
"""For each of two threads of each sensor; Python's own default reserves 8 MiB."""
_SWITCH_SECONDS: Final = 0.1
"""Each thread that waits for the interpreter's lock wakes up so often to ask for it; by default every 5 ms, which with
hundreds of them takes a processor."""


class Options(msgspec.Struct, frozen=True):
    """What the process does.

    `first`, `count`: numbers of its sensors. `urls`: addresses of the broker's nodes; each sensor begins with another
    one. `folder`: where the outboxes are. `events`: so many of each sensor. `per_second`: events of all its sensors.
    `drain_seconds`: the longest time that the end waits for acknowledgements.
    """

    first: int
    count: int
    urls: list[str]
    folder: str
    events: int
    per_second: float
    drain_seconds: float = 120.0


class Report(msgspec.Struct, frozen=True):
    """What the process did. Times are those of the machine's monotonic clock.

    `decided`: the highest `seq` of each boot. `devices`: the device of each boot. `attempts`: when sensors tried to
    connect. `left`: events that no broker has acknowledged. `dropped`: events that the outbox gave up.
    """

    decided: dict[str, int]
    devices: dict[str, str]
    attempts: list[float]
    left: int
    dropped: int
    threads: int


class _Sensor:
    """One sensor: its sink, and a builder that numbers its events."""

    def __init__(self, number: int, options: Options) -> None:
        self.device = f"fleet-{number:05d}"
        self._rng = random.Random(number)
        self.boot_id = f"{random.SystemRandom().getrandbits(64):016x}"
        turn = number % len(options.urls)
        # Everything else as a sensor has it by default: the test measures how sensors wait and send.
        first, *others = options.urls[turn:] + options.urls[:turn]
        mqtt = MqttConfig(url=first, fallback_urls=others, outbox_directory=options.folder)
        self.sink = MqttSink(mqtt, self.device)
        self._builder = PayloadBuilder(self.boot_id, LABELS, {})
        self.decided = 0
        self.sink.info(msgspec.structs.replace(info(), device=self.device, name=self.device, boot_id=self.boot_id))

    def decide(self) -> None:
        """Give one more event to the outbox."""
        kind = _KINDS[self.decided % len(_KINDS)]
        probabilities = np.array([self._rng.random() for _ in LABELS], np.float32)
        probabilities /= probabilities.sum()
        label = LABELS[int(probabilities.argmax())]
        now = time.monotonic()
        frame = Frame(0, float(self.decided), _LUMA, now, time.time())
        box = Box(self._rng.randrange(300), self._rng.randrange(200), 120, 120)
        face = TrackedFace(1 + self.decided // len(_KINDS), box, label, float(probabilities.max()), probabilities)
        self.decided += 1
        self.sink.event(self._builder.event(Event(kind, face, None, frame)), now)


_LUMA: Final = np.zeros((480, 640), np.uint8)


def _note_attempts() -> list[float]:
    """Return a list that from now on gets the time of each attempt to connect."""
    attempts: list[float] = []
    connect = Connector.connect

    def connect_and_note(self: Connector, *arguments: object) -> object:
        attempts.append(time.monotonic())
        return connect(self, *arguments)  # type: ignore[arg-type]

    Connector.connect = connect_and_note  # type: ignore[method-assign, assignment]
    return attempts


def _step_back() -> None:
    """Leave the processor to the brokers: sensors have their own elsewhere.

    A thousand threads that lose their connection at once would leave a node so little that it answers nobody.
    """
    os.nice(5)
    with contextlib.suppress(OSError):  # where each session has a share of its own, only this counts
        Path("/proc/self/autogroup").write_text("5")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(options: Options) -> None:
    """Run the sensors from `started` to the report."""
    threading.stack_size(_STACK_BYTES)
    sys.setswitchinterval(_SWITCH_SECONDS)
    _step_back()
    attempts = _note_attempts()
    sensors = [_Sensor(number, options) for number in range(options.first, options.first + options.count)]
    for sensor in sensors:
        sensor.sink.start()
    heard = {word: threading.Event() for word in ("go", "enough", "finish")}
    threading.Thread(target=lambda: [heard[line.strip()].set() for line in sys.stdin], daemon=True).start()
    _say("started")
    heard["go"].wait()
    began = time.monotonic()
    for number in range(options.events * len(sensors)):
        if heard["enough"].is_set():
            break
        sensors[number % len(sensors)].decide()
        time.sleep(max(0.0, began + number / options.per_second - time.monotonic()))
    threads = threading.active_count()
    _say("decided")
    heard["finish"].wait()
    left, dropped = _end(sensors, options.drain_seconds)
    report = Report(
        {sensor.boot_id: sensor.decided for sensor in sensors},
        {sensor.boot_id: sensor.device for sensor in sensors},
        attempts,
        left,
        dropped,
        threads,
    )
    _say(msgspec.json.encode(report).decode())


def _end(sensors: list[_Sensor], drain_seconds: float) -> tuple[int, int]:
    """End all sensors, a few at a time; returns the events that are left, and those that were dropped."""
    until = time.monotonic() + drain_seconds
    for sensor in sensors:
        sensor.sink.close(max(0.0, until - time.monotonic()))
    states = [sensor.sink.status() for sensor in sensors]
    return sum(state.outbox_depth for state in states), sum(state.outbox_dropped for state in states)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    main(msgspec.json.decode(sys.argv[1], type=Options))
