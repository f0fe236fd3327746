"""What watchers get: each picture encoded once for all of them, at a rate that the budget allows.

Nobody watching, nothing is done. A watcher whose connection is slow is given the newest picture once
the one before has gone out: it loses pictures, and nobody waits for it. Events are not lost: what a
watcher has not been told comes with its next record.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import PreviewConfig
from edge.messages.payloads import HealthPayload, InfoPayload
from edge.preview.feed import EventRecord, Feed
from edge.preview.framing import pack
from edge.preview.inspect import encoded, reduced
from edge.types import StepResult, TrackedFace

_QUALITY: Final = 75
_HEALTH_SECONDS: Final = 1.0
"""How often a record says how the sensor is, and at least comes at all: the page takes four seconds of silence
for a lost connection."""


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """What there is to say at one time, to whoever is ready for it.

    `events`: version of the window's events at that time. `memo` holds records already packed, by the
    (events, monotonic) of the turn that their watcher knew last: most know the same.
    """

    number: int = 0
    events: int = 0
    monotonic: float = 0.0
    content: dict[str, Any] = field(default_factory=dict)
    picture: bytes | None = None
    memo: dict[tuple[int, float], bytes] = field(default_factory=dict)


class Stream:
    """Lives in the event loop of the page's thread. `health` says how the sensor is at the moment."""

    def __init__(
        self,
        config: PreviewConfig,
        window: Feed,
        health: Callable[[], HealthPayload],
        encoder: Executor,
    ) -> None:
        self._config = config
        self._window = window
        self._health = health
        self._encoder = encoder
        self._turn = StreamUpdate()
        self._next = asyncio.Event()
        self._wanted = asyncio.Event()
        self._health_due = 0.0
        self._shown: tuple[int, float] | None = None
        self.info: InfoPayload | None = None
        self.watchers = 0
        self.pictures = 0
        """Encoded since the start."""
        self.ended = False

    def end(self) -> None:
        """Say good-bye to all watchers."""
        self.ended = True
        self._wanted.set()
        self._next.set()

    async def run(self) -> None:
        """Make a turn whenever it is time for one, as long as somebody watches."""
        while not self.ended:
            if not self.watchers:
                self._wanted.clear()
                self._health_due, self._shown = 0.0, None
                await self._wanted.wait()
                continue
            began = time.monotonic()
            await self._make_turn()
            # At least a pause as long as the work: one that cannot keep up must not fill a processor.
            now = time.monotonic()
            await asyncio.sleep(max(self._interval_seconds() - (now - began), now - began, 0.01))

    def _interval_seconds(self) -> float:
        recent = self._window.recent
        level = recent[-1].level if recent else 0
        return (1 + level) / self._config.fps

    async def _make_turn(self) -> None:
        now = time.monotonic()
        content: dict[str, Any] = {}
        picture = None
        if now >= self._health_due:
            self._health_due = now + _HEALTH_SECONDS
            content["health"] = self._health()
        result = self._window.latest
        mark = None if result is None else (result.frame.number, result.frame.captured_monotonic)
        if result is not None and mark != self._shown:
            picture = await asyncio.get_running_loop().run_in_executor(self._encoder, self._encode, result)
            self.pictures += 1
            content["frame"] = _described(result)
        elif mark != self._shown:
            content["blank"] = True
        self._shown = mark
        if content or self._window.events_version != self._turn.events:
            self._turn = StreamUpdate(self._turn.number + 1, self._window.events_version, now, content, picture)
            self._next.set()
            self._next = asyncio.Event()

    def _encode(self, result: StepResult) -> bytes:
        frame = result.frame
        shown = frame.luma if frame.bgr is None else frame.bgr
        height, width = shown.shape[:2]
        longer = max(height, width) * min(1.0, self._config.width_px / width)
        return encoded(reduced(shown, max(1, round(longer))), _QUALITY)

    @property
    def full(self) -> bool:
        """Whether no further watcher is taken now."""
        return self.watchers >= self._config.max_watchers

    async def watch(self) -> AsyncGenerator[bytes]:
        """Give packed records until the end."""
        self.watchers += 1
        try:
            self._wanted.set()
            # What the last turn showed may be an hour old: nobody may have watched since.
            turn, known = self._turn, (self._window.events_version, time.monotonic())
            yield pack(self._hello())
            while not self.ended:
                if self._turn.number == turn.number:
                    await self._next.wait()
                    continue
                turn = self._turn
                yield self._record(turn, known)
                known = (turn.events, turn.monotonic)
            yield pack({"bye": True})
        finally:
            self.watchers -= 1

    def _hello(self) -> dict[str, Any]:
        preview = self._config
        return {
            "hello": {
                "info": self.info,
                "history": [[round(one.unix, 2), one.faces] for one in list(self._window.history)],
                "max_upload_mb": preview.max_upload_mb,
                "max_picture_megapixels": preview.max_picture_megapixels,
            },
            "now": round(time.time(), 3),
            "health": self._health(),
            "events": [_told(one) for one in self._window.events()],
            "moments": self._moments(0.0, time.monotonic()),
        }

    def _record(self, turn: StreamUpdate, known: tuple[int, float]) -> bytes:
        if known not in turn.memo:
            version, since = known
            moments = self._moments(since, turn.monotonic)
            content = {**turn.content, "now": round(time.time(), 3), "moments": moments}
            events = self._window.events(version)
            if events:
                content["events"] = [_told(one) for one in events]
            turn.memo[known] = pack(content, [] if turn.picture is None else [turn.picture])
        return turn.memo[known]

    def _moments(self, after: float, until: float) -> list[list[float]]:
        """Return time, latency and level of the frames between two times (monotonic, seconds)."""
        return [
            [round(moment.unix, 3), round(moment.latency_ms, 1), moment.level]
            for moment in list(self._window.recent)
            if after < moment.monotonic <= until
        ]


def _told(told: EventRecord) -> dict[str, Any]:
    return {"published": told.published, "payload": msgspec.Raw(told.payload)}


def _described(result: StepResult) -> dict[str, Any]:
    height, width = result.frame.luma.shape
    return {
        "number": result.frame.number,
        "unix": round(result.frame.captured_unix, 3),
        "width": width,
        "height": height,
        "faces": [_face(face, width, height) for face in result.faces],
    }


def _face(face: TrackedFace, width: int, height: int) -> dict[str, Any]:
    box = face.box
    return {
        "track": face.track_id,
        "box": [round(share, 4) for share in (box.x / width, box.y / height, box.width / width, box.height / height)],
        "label": face.label,
        "confidence": round(face.confidence, 4),
        "smoothed": _rounded(face.probabilities),
        "raw": None if face.prediction is None else _rounded(face.prediction),
    }


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 4) for value in values]
