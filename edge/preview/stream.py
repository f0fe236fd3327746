"""Streams pictures, faces and events to open pages: each picture is encoded once, at a rate that the budget allows.

While no page watches, nothing is encoded. A watcher with a slow connection gets the newest picture once the previous
one has gone out: it loses pictures, and delays no other watcher. It loses no event: the next record contains every
event that changed since its last one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import PreviewConfig, SourceConfig
from edge.messages.payloads import HealthPayload, InfoPayload
from edge.messages.summary import PeriodSummary
from edge.preview.feed import EventRecord, Feed
from edge.preview.framing import pack
from edge.preview.inspect import encode_jpeg, shrink
from edge.system.service import own_unit
from edge.types import StepResult, TrackedFace

_JPEG_QUALITY: Final = 75
_HEALTH_SECONDS: Final = 1.0
"""Interval of health in the stream, and so the longest time between two records: the page takes four seconds without
a record for a lost connection."""
_MIN_PAUSE_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """One update of the stream, for every watcher that is ready for it.

    `monotonic`: when it was made. `events_version`: version of the feed's events at that time. `content`: the part of
    the record that is the same for all watchers. `packed`: finished records by what their watcher knows already, as
    (events_version, monotonic) of the update that it received last; this is the same for most watchers.
    """

    number: int = 0
    events_version: int = 0
    monotonic: float = 0.0
    content: dict[str, Any] = field(default_factory=dict)
    picture: bytes | None = None
    packed: dict[tuple[int, float], bytes] = field(default_factory=dict)


class Stream:
    """Makes the records of the stream. All of it runs in the event loop of the server's thread.

    `health` returns the sensor's health now. `encoder` runs the JPEG encoding. `source`: how frames are turned and
    mirrored, for the corners of areas that are drawn on the page.
    """

    def __init__(
        self,
        config: PreviewConfig,
        feed: Feed,
        health: Callable[[], HealthPayload],
        encoder: Executor,
        source: SourceConfig,
    ) -> None:
        self._orientation = {"rotate": source.rotate, "flip": source.flip}
        self._config = config
        self._feed = feed
        self._health = health
        self._encoder = encoder
        self._update = StreamUpdate()
        self._updated = asyncio.Event()
        self._watched = asyncio.Event()
        self._health_due = 0.0
        self._sent_frame: tuple[int, float] | None = None
        self._sent_picture: tuple[dict[str, Any], bytes, int] | None = None
        self._sent_info: InfoPayload | None = None
        self._sent_hours: Sequence[PeriodSummary] = ()
        self.info: InfoPayload | None = None
        self.hours: Sequence[PeriodSummary] = ()
        """Summaries of the last hours, oldest first; none where no summary is kept."""
        self.can_apply_areas = False
        """Whether the page may apply masks and zones, which the server sets."""
        self.can_calibrate = False
        """Whether the page may show the sensor a calm face, which the server sets."""
        self.unit = own_unit()
        """The service for systemctl; the page names the command that reloads it."""
        self.watchers = 0
        self.pictures_encoded = 0
        self.ended = False

    def end(self) -> None:
        """End the stream of every watcher."""
        self.ended = True
        self._watched.set()
        self._updated.set()

    async def run(self) -> None:
        """Make updates at the current rate while there are watchers; returns after `end`."""
        while not self.ended:
            if not self.watchers:
                self._watched.clear()
                self._health_due, self._sent_frame, self._sent_picture = 0.0, None, None
                await self._watched.wait()
                continue
            began = time.monotonic()
            await self._make_update()
            # The pause is at least as long as the work, so that a slow encoder does not occupy a whole processor core.
            spent_seconds = time.monotonic() - began
            await asyncio.sleep(max(self.interval_seconds - spent_seconds, spent_seconds, _MIN_PAUSE_SECONDS))

    @property
    def interval_seconds(self) -> float:
        """Seconds between two pictures: 1 / `preview.fps` at the first degradation level, twice that at the second."""
        timings = self._feed.timings
        level = timings[-1].level if timings else 0
        return (1 + level) / self._config.fps

    async def _make_update(self) -> None:
        now = time.monotonic()
        content: dict[str, Any] = {}
        picture = None
        if self.info is not self._sent_info:
            self._sent_info = self.info
            content["info"] = self.info
        if self.hours is not self._sent_hours:
            self._sent_hours = self.hours
            content["hours"] = self.hours
        blanked, result = self._feed.blanked, self._feed.latest
        frame_key = None if result is None else (result.frame.number, result.frame.captured_monotonic)
        if now >= self._health_due or _source_may_have_changed(self._sent_frame, frame_key):
            self._health_due = now + _HEALTH_SECONDS
            content["health"] = self._health()
        if result is not None and frame_key != self._sent_frame:
            picture = await asyncio.get_running_loop().run_in_executor(self._encoder, self._encode, result)
            self.pictures_encoded += 1
            if self._feed.blanked != blanked:
                # It was removed meanwhile: other masks may hide what it shows.
                result = picture = frame_key = None
        if result is not None and picture is not None:
            content["frame"] = _frame_content(result)
            self._sent_picture = content["frame"], picture, blanked
        elif frame_key != self._sent_frame:
            content["blank"] = True
            self._sent_picture = None
        self._sent_frame = frame_key
        if content or self._feed.events_version != self._update.events_version:
            self._update = StreamUpdate(self._update.number + 1, self._feed.events_version, now, content, picture)
            self._updated.set()
            self._updated = asyncio.Event()

    def _encode(self, result: StepResult) -> bytes:
        frame = result.frame
        picture = frame.luma if frame.bgr is None else frame.bgr
        height, width = picture.shape[:2]
        longer_px = max(height, width) * min(1.0, self._config.width_px / width)
        return encode_jpeg(shrink(picture, max(1, round(longer_px))), _JPEG_QUALITY)

    @property
    def full(self) -> bool:
        """Whether the number of watchers has reached `preview.max_watchers`."""
        return self.watchers >= self._config.max_watchers

    async def watch(self) -> AsyncGenerator[bytes]:
        """Yield packed records to one watcher: everything so far, then updates, until the stream ends."""
        self.watchers += 1
        try:
            self._watched.set()
            # The last update may be an hour old, if there was no watcher since: it is not sent.
            update, known = self._update, (self._feed.events_version, time.monotonic())
            hello = self._hello()
            # What the other pages show already: a camera may give one picture in ten seconds.
            shown = self._sent_picture
            if shown is None or shown[2] != self._feed.blanked:
                yield pack(hello)
            else:
                yield pack({**hello, "frame": shown[0]}, [shown[1]])
            while not self.ended:
                if self._update.number == update.number:
                    await self._updated.wait()
                    continue
                update = self._update
                yield self._record(update, known)
                known = (update.events_version, update.monotonic)
            yield pack({"bye": True})
        finally:
            self.watchers -= 1

    def _hello(self) -> dict[str, Any]:
        preview = self._config
        return {
            "hello": {
                "info": self.info,
                "hours": self.hours,
                "history": [[round(one.captured_unix, 2), one.faces] for one in list(self._feed.history)],
                "max_upload_mb": preview.max_upload_mb,
                "max_picture_megapixels": preview.max_picture_megapixels,
                "orientation": self._orientation,
                "can_apply_areas": self.can_apply_areas,
                "can_calibrate": self.can_calibrate,
                "unit": self.unit,
            },
            "now": round(time.time(), 3),
            "health": self._health(),
            "events": [_event_content(one) for one in self._feed.events()],
            "moments": self._timings(0.0, time.monotonic()),
        }

    def _record(self, update: StreamUpdate, known: tuple[int, float]) -> bytes:
        if known not in update.packed:
            version, since = known
            timings = self._timings(since, update.monotonic)
            content = {**update.content, "now": round(time.time(), 3), "moments": timings}
            events = self._feed.events(version)
            if events:
                content["events"] = [_event_content(one) for one in events]
            update.packed[known] = pack(content, [] if update.picture is None else [update.picture])
        return update.packed[known]

    def _timings(self, after: float, until: float) -> list[list[float]]:
        """Return capture time, latency and level of the frames between two times (monotonic, seconds)."""
        return [
            [round(timing.captured_unix, 3), round(timing.latency_ms, 1), timing.level]
            for timing in list(self._feed.timings)
            if after < timing.monotonic <= until
        ]


def _source_may_have_changed(before: tuple[int, float] | None, after: tuple[int, float] | None) -> bool:
    """Return whether a picture appears, disappears, or follows another one late: then the page needs the health too.

    Otherwise it would show a live picture beside "the camera is lost", or the reverse, for up to a second.
    """
    if before is None or after is None:
        return before is not after
    return after[1] - before[1] > _HEALTH_SECONDS


def _event_content(event: EventRecord) -> dict[str, Any]:
    return {"published": event.published, "payload": msgspec.Raw(event.payload)}


def _frame_content(result: StepResult) -> dict[str, Any]:
    height, width = result.frame.luma.shape
    return {
        "number": result.frame.number,
        "unix": round(result.frame.captured_unix, 3),
        "width": width,
        "height": height,
        "faces": [_face_content(face, width, height) for face in result.faces],
    }


def _face_content(face: TrackedFace, width: int, height: int) -> dict[str, Any]:
    box = face.box
    return {
        "track": face.track_id,
        "box": [round(share, 4) for share in (box.x / width, box.y / height, box.width / width, box.height / height)],
        "label": face.label,
        "confidence": round(face.confidence, 4),
        "leader": face.leader,
        "leader_confidence": None if face.leader_confidence is None else round(face.leader_confidence, 4),
        "smoothed": _rounded(face.probabilities),
        "raw": None if face.prediction is None else _rounded(face.prediction),
    }


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 4) for value in values]
