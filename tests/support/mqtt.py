"""Helpers of the MQTT tests: an independent subscriber, payloads, the outbox on disk, certificates, waiting."""

import contextlib
import datetime
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import trustme
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages.payload_builder import PayloadBuilder, timestamp
from edge.messages.payloads import (
    BoxShare,
    BudgetPayload,
    EventPayload,
    HealthPayload,
    InfoPayload,
    ModelInfo,
    StateFace,
    StatePayload,
)
from edge.messages.schemas import load
from edge.messages.topics import TOPIC_PAYLOADS
from edge.mqtt.outbox.store import Store
from edge.mqtt.sink import MqttSink
from edge.system.clock import SystemClock
from edge.types import Box, Event, EventKind, Frame, TrackedFace
from support import homeassistant_rules

TIMEOUT_SECONDS = 60.0
"""Ends a hang: at least ten times what any wait here takes alone."""

OUTBOX = "outbox-cam.sqlite3"
NOW = "2026-01-31T08:15:00.250Z"
PROBABILITIES = {"happy": 0.9, "neutral": 0.1}
BOX = BoxShare(x=0.1, y=0.2, width=0.3, height=0.4)


def wait_until(condition: Callable[[], object], timeout: float = TIMEOUT_SECONDS) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)


def event(seq: int, *, boot_id: str = "boot", type: str = "emotion_changed", **changes: Any) -> EventPayload:  # noqa: A002
    """Return a payload as the builder makes it, of one face in a frame of 100x100 pixels."""
    frame = Frame(0, float(seq), np.zeros((100, 100), np.uint8), 0.0, 0.0)
    face = TrackedFace(1, Box(10, 20, 30, 40), "happy", 0.9, np.array([0.9, 0.1], np.float32), None, "happy", -30.0)
    payload = PayloadBuilder(boot_id, tuple(PROBABILITIES), {}).event(Event(EventKind(type), face, "neutral", frame))
    identity = {"id": f"{boot_id}:{seq}", "seq": seq, "time": NOW}
    return msgspec.structs.replace(payload, **(identity | changes))


def info() -> InfoPayload:
    return InfoPayload(
        version="0",
        device="cam",
        name="Camera",
        boot_id="boot",
        model=ModelInfo(name="normal", sha256="0" * 64, labels=["happy", "neutral"]),
        groups={},
        valence={"happy": 0.8675, "neutral": 0.0},
        summary=True,
        runtime="ai-edge-litert 2",
        source="scripted:",
        budget_latency_ms=100.0,
        python="3.11",
        opencv="4.11",
    )


def state(emotion: str | None = "happy", *, paused: bool = False) -> StatePayload:
    face = StateFace(
        track=1,
        box=BOX,
        emotion=emotion or "",
        group=None,
        confidence=0.9,
        leader="happy",
        leader_group=None,
        leader_confidence=0.9,
        probabilities=PROBABILITIES,
        groups={},
    )
    return StatePayload(
        time=NOW,
        paused=paused,
        present=emotion is not None,
        emotion=emotion,
        confidence=face.confidence if emotion else None,
        leader=face.leader if emotion else None,
        leader_confidence=face.leader_confidence if emotion else None,
        faces=[face] if emotion else [],
    )


def health(**changes: Any) -> HealthPayload:
    payload = HealthPayload(
        time=NOW,
        uptime_seconds=1.0,
        source="ok",
        source_error=None,
        paused=False,
        source_reopened=0,
        frames=1,
        frames_dropped=0,
        frames_late=0,
        fps=1.0,
        source_fps=25.0,
        source_stall_seconds=None,
        faces=0,
        latency_ms=None,
        budget_latency_ms=100.0,
        within_budget=None,
        budget=BudgetPayload(
            state="steady",
            level="full",
            level_index=0,
            levels=["full", "seldom"],
            priority="normal",
            reachable_ms=None,
            steps=[],
        ),
        stage_ms={},
        broker="connected",
        outbox_depth=0,
        outbox_dropped=0,
        messages_refused=0,
        outbox_durable=True,
        outbox_problem=None,
        temperature_c=None,
        throttled=None,
    )
    return msgspec.structs.replace(payload, **changes)


class SettableClock:
    """The clock of a machine whose time of day is set: the true time, beside which it is off by `error_seconds`.

    `synchronised`: as a time service reports it. Each start of the machine has a clock of its own.
    """

    def __init__(
        self, machine_boot: str = "machine-1", *, error_seconds: float = 0.0, synchronised: bool = True
    ) -> None:
        self.error_seconds = error_seconds
        self.synchronised = synchronised
        self._boottime_zero = time.monotonic()
        self.clock = SystemClock(self.unix, self.boottime, lambda: self.synchronised, machine_boot)

    def unix(self) -> float:
        return time.time() + self.error_seconds

    def boottime(self) -> float:
        return time.monotonic() - self._boottime_zero

    def event(self, seq: int, **changes: Any) -> EventPayload:
        """Return an event that is captured now."""
        return event(seq, time=timestamp(self.unix()), **changes)


def seconds_off(event_time: str) -> float:
    """Return by how many seconds a time stamp differs from the true time now."""
    return abs(datetime.datetime.fromisoformat(event_time).timestamp() - time.time())


def send(sink: MqttSink, *seqs: int, boot_id: str = "boot") -> None:
    for seq in seqs:
        sink.event(event(seq, boot_id=boot_id), time.monotonic())


def on_disk(folder: Path, copy: Path) -> list[tuple[str, int]]:
    """Return boot id and `seq` of the events that a restart after a kill at this moment would find on disk.

    Reads a copy: the outbox of `cam` in `folder` may be open. Empty where the files are just being created.
    """
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(folder, copy)
    except (OSError, shutil.Error):
        return []
    store = Store(copy / OUTBOX)
    try:
        return [(row.event.boot_id, row.event.seq) for row in store.open()]
    finally:
        store.close()


def fill_disk(folder: Path) -> Path:
    """Fill the disk of `folder` to the last byte; return the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
    return ballast


@contextmanager
def suspended(pid_file: Path) -> Iterator[None]:
    """Suspend the process of `pid_file`, a broker: its connections stay open, and it acknowledges nothing."""
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Seen:
    """A message that a `Subscriber` received."""

    topic: str
    payload: bytes
    retained: bool
    qos: int
    arrived: datetime.datetime

    @property
    def kind(self) -> str:
        before, _, last = self.topic.rpartition("/")
        return next((one for one in ("request", "response") if before.endswith(f"/{one}")), last)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.payload)


class Subscriber:
    """Receives every message on a broker. Plain paho, no product code; reconnects by itself.

    The fixture that makes subscribers checks all that they received against the schemas.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", session: bool = False, **tls: Any) -> None:
        self._seen: list[Seen] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber" if session else "", clean_session=not session
        )
        self._client.reconnect_delay_set(1, 1)
        if tls:
            self._client.tls_set(**tls)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._ready.wait(TIMEOUT_SECONDS)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._news:
            now = datetime.datetime.now(datetime.UTC)
            self._seen.append(Seen(message.topic, message.payload, message.retain, message.qos, now))
            self._news.notify_all()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(TIMEOUT_SECONDS)

    @property
    def seen(self) -> list[Seen]:
        with self._news:
            return list(self._seen)

    def of(self, kind: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == kind]

    @property
    def seqs(self) -> list[int]:
        return [seen.json["seq"] for seen in self.of("event")]

    @property
    def statuses(self) -> list[str]:
        return [seen.payload.decode() for seen in self.of("status")]

    def wait(self, condition: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(condition, TIMEOUT_SECONDS), (len(self._seen), self._seen[-5:])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def check_schemas(seen: list[Seen]) -> None:
    validators = {name: jsonschema.Draft202012Validator(load(name)) for name in TOPIC_PAYLOADS}
    for message in seen:
        prefix, announced, _ = message.topic.partition("/device/emotion-edge-")
        if announced:
            if message.payload:
                homeassistant_rules.read(message.topic, message.payload, prefix)
        elif message.kind == "request":
            pass  # any client may publish it
        elif message.kind == "doctor":
            pass  # tries of any content
        elif message.kind == "status":
            assert message.payload in (b"online", b"stopped", b"offline")
        else:
            validators[message.kind].validate(message.json)


def assert_run(numbers: list[int], first: int, last: int) -> None:
    """Assert that `numbers` are `first` to `last`, each once and in order (pytest's diff of long lists is slow)."""
    assert (numbers[:1], numbers[-1:]) == ([first], [last])
    breaks = [(one, other) for one, other in itertools.pairwise(numbers) if other != one + 1]
    assert not breaks[:10]


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, a server certificate, a client certificate, and another authority."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path
    other_ca: Path

    @classmethod
    def make(cls, folder: Path, host: str = "127.0.0.1") -> "Certificates":
        """Write the files into `folder`. `host`: whom the server's certificate names."""
        files = cls(*(folder / f"{name}.pem" for name in cls.__dataclass_fields__))
        authority, other = trustme.CA(), trustme.CA()
        server, client = authority.issue_cert(host), authority.issue_cert("camera@example.org")
        authority.cert_pem.write_to_path(files.ca)
        other.cert_pem.write_to_path(files.other_ca)
        server.cert_chain_pems[0].write_to_path(files.server_cert)
        server.private_key_pem.write_to_path(files.server_key)
        client.cert_chain_pems[0].write_to_path(files.client_cert)
        client.private_key_pem.write_to_path(files.client_key)
        return files
