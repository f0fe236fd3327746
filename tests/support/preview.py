"""Preview server on real sockets, watchers of its stream, and pictures of the actor, for tests."""

import contextlib
import http.client
import logging
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import cv2
import msgspec
import numpy as np

from edge.capture.source import SourceOptions
from edge.config.schema import Config, PreviewConfig
from edge.levels import LADDER
from edge.pacing import TokenBucket
from edge.preview.framing import unpack
from edge.preview.server import PreviewServer
from edge.types import Box, Frame, StepResult, TrackedFace
from support.mqtt import TIMEOUT_SECONDS, health, info, wait_until
from support.sources import read_first_frame

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
TOKEN = "0123456789abcdef"  # noqa: S105 - of a server that runs for a second


def actor(emotion="happy"):
    """Return a picture with one face, grey, uint8 (480, 640)."""
    return read_first_frame(f"scripted:{emotion}=1?seed=1", SourceOptions()).luma


def encoded(picture, suffix=".jpg", *options):
    done, data = cv2.imencode(suffix, picture, list(options))
    assert done
    return data.tobytes()


def result(number=0, luma=None, faces=()):
    luma = np.full((48, 64), number % 256, np.uint8) if luma is None else luma
    frame = Frame(number, number / 25, luma, time.monotonic(), time.time())
    return StepResult(frame, tuple(faces), (), {"detect": 1.0, "track": 0.1, "classify": 2.0})


def face(track=1, label="happy", confidence=0.9):
    smoothed = shares(label, confidence)
    return TrackedFace(track, Box(16, 12, 32, 24), label, confidence, smoothed, np.roll(smoothed, 1), label)


def shares(label, confidence, labels=LABELS):
    """Return probabilities, float32 (labels,), with one label that leads."""
    found = np.full(len(labels), (1 - confidence) / (len(labels) - 1), np.float32)
    found[labels.index(label)] = confidence
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def record(self) -> tuple[dict[str, Any], list[bytes]]:
        ((content, pictures),), rest = unpack(self.body)
        assert rest == b""
        return content, pictures


class Site:
    """A running preview server on a free port.

    `health`: what the sensor reports. `health_calls`: how often it was requested. `limit_pictures`: pictures on demand
    are limited as in the product. `server`: further options of PreviewServer. Other options are those of [preview].
    """

    def __init__(
        self,
        *,
        live: bool = True,
        limit_pictures: bool = False,
        server: dict[str, Any] | None = None,
        **preview: Any,
    ) -> None:
        self.health = health()
        self.health_calls = 0
        config = Config(preview=PreviewConfig(**{"enabled": True, "port": 0, **preview}))
        limit = None if limit_pictures else TokenBucket(1e6, 1_000_000)
        self.preview = PreviewServer(config, self._health, picture_limit=limit, **(server or {}))
        self.feed = self.preview.feed
        self.stream = self.preview.stream
        self.port = self.preview.port
        self.describe()
        self.preview.start(live=live)

    def describe(self, labels=LABELS, groups=None):
        """Describe the sensor anew, as a start or a reload does."""
        model = msgspec.structs.replace(info().model, labels=list(labels))
        self.preview.set_info(msgspec.structs.replace(info(), model=model, groups=groups or {}))

    def _health(self, stats):
        self.health_calls += 1
        fps, latency, stages = stats.report(time.monotonic())
        return msgspec.structs.replace(self.health, fps=fps, latency_ms=latency, stage_ms=stages)

    def show(self, step):
        self.preview.show(step, 5.0, LADDER[0])

    def request(self, method, path, body=None, **headers) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, **headers) -> Answer:
        return self.request("GET", path, **headers)

    def upload(self, data, kind="image/jpeg", **headers) -> Answer:
        return self.request("POST", "/picture", data, Content_Type=kind, **headers)

    def watch(self) -> "Watcher":
        return Watcher(self.port)

    def watch_without_reading(self) -> "Watcher":
        """Open the stream, and read nothing of it before `start_reading`."""
        return Watcher(self.port, reading=False)

    def close(self):
        self.preview.stop()
        assert not self.preview.running


class Watcher:
    """Reads the stream as the page does. `records`: (content, pictures) of each record so far."""

    def __init__(self, port: int, *, reading: bool = True) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.connection.request("GET", "/stream")
        self.answer = self.connection.getresponse()
        self.records: list[tuple[dict[str, Any], list[bytes]]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        if reading:
            self.start_reading()

    def start_reading(self):
        self._thread.start()

    def _read(self):
        rest = b""
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError, ValueError):
            while data := self.answer.read1(65_536):
                found, rest = unpack(rest + data)
                self.records.extend(found)
        self.ended.set()

    @property
    def frames(self):
        return [content["frame"]["number"] for content, _ in self.records if "frame" in content]

    @property
    def events(self):
        return [one for content, _ in self.records for one in content.get("events", ())]

    def wait(self, condition):
        wait_until(lambda: condition(self))
        return self

    def close(self):
        with contextlib.suppress(OSError, AttributeError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class WarningCollector(logging.Handler):
    """Collects what is logged at level WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record):
        self.lines.append(self.format(record))
