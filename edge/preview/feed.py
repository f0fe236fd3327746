"""Where the line leaves what the page may show: references to what is there anyway, never copies."""

import threading
import time
from bisect import bisect_left
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import msgspec

from edge.latency.stats import FrameReport, FrameStats, median_ms, percentiles
from edge.messages.payloads import EventPayload, encode
from edge.types import StepResult

BUCKETS_MS: Final = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
"""Upper bounds of the latency histogram: closest around the usual budgets, 50 to 200 ms."""

_RECENT_FRAMES: Final = 600
"""20 s at 30 frames a second: what the page's chart of latencies holds."""
_REPORT_SECONDS: Final = 10.0
"""Over which frames per second and percentiles are taken, as often as somebody asks."""
_HISTORY_SECONDS: Final = 300.0
_SAMPLE_SECONDS: Final = 0.25
"""A label lasts for `events.dwell_seconds` at least, half a second by default."""
_EVENTS: Final = 50


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """One frame's way through the line. Times in milliseconds, but `monotonic` and `unix` in seconds."""

    number: int
    monotonic: float
    unix: float
    latency_ms: float
    level: int
    stage_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """Who was in view at a time: (track, label, confidence) of each face."""

    unix: float
    faces: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event: its payload as JSON, as published, or as it will be. `version` grows with every change."""

    version: int
    published: bool
    payload: bytes


class _Id(msgspec.Struct):
    id: str


class Feed(FrameStats):
    """Written by the pipeline's and the publisher's thread, read by the page's.

    As a meter it reports on the last ten seconds, however often it is asked. Who writes here waits for
    nobody: a frame costs some appended tuples, an event a lock that is held for microseconds.
    """

    def __init__(self) -> None:
        super().__init__(time.monotonic())
        self.latest: StepResult | None = None
        """The last frame and its faces; None where nothing may be shown."""
        self.recent: deque[FrameTiming] = deque(maxlen=_RECENT_FRAMES)
        self.history: deque[Sample] = deque(maxlen=round(_HISTORY_SECONDS / _SAMPLE_SECONDS))
        self.buckets = [0] * (len(BUCKETS_MS) + 1)
        """Frames by latency: up to each bound of `BUCKETS_MS` (not those before it), and above the last."""
        self.latency_sum_ms = 0.0
        self.events_total: dict[str, int] = {}
        self._sample_due = 0.0
        self._lock = threading.Lock()
        self._events: OrderedDict[str, EventRecord] = OrderedDict()
        self.events_version = 0

    def show(self, now_monotonic: float, result: StepResult, latency_ms: float, level: int) -> None:
        """Take a processed frame; `level` is the place on the ladder at which it was processed."""
        self.frames += 1
        frame = result.frame
        unix = frame.captured_unix
        self.recent.append(FrameTiming(frame.number, now_monotonic, unix, latency_ms, level, result.stage_ms))
        self.buckets[bisect_left(BUCKETS_MS, latency_ms)] += 1
        self.latency_sum_ms += latency_ms
        self.latest = result
        if now_monotonic >= self._sample_due:
            self._sample_due = now_monotonic + _SAMPLE_SECONDS
            self.history.append(
                Sample(unix, tuple((face.track_id, face.label, round(face.confidence, 3)) for face in result.faces))
            )

    def blank(self) -> None:
        """Show nothing until the next frame: the source is away, or the sensor looks at nothing."""
        self.latest = None

    def decided(self, payload: EventPayload) -> None:
        """Take an event that is about to be published."""
        self.events_total[payload.type] = self.events_total.get(payload.type, 0) + 1
        self._tell(payload.id, encode(payload), published=False)

    def published(self, payload: bytes) -> None:
        """Take an event's payload as it was handed over; replaces what was decided."""
        self._tell(msgspec.json.decode(payload, type=_Id).id, payload, published=True)

    def _tell(self, event_id: str, payload: bytes, *, published: bool) -> None:
        with self._lock:
            self.events_version += 1
            # An event that is published again keeps its place.
            self._events[event_id] = EventRecord(self.events_version, published, payload)
            while len(self._events) > _EVENTS:
                self._events.popitem(last=False)

    def events(self, after_version: int = 0) -> list[EventRecord]:
        """Return the last events that changed after a version, oldest first."""
        with self._lock:
            return [told for told in self._events.values() if told.version > after_version]

    def report(self, now_monotonic: float) -> FrameReport:
        """Return frames per second, latency percentiles and median stage times of the last ten seconds."""
        since = now_monotonic - _REPORT_SECONDS
        moments = [moment for moment in list(self.recent) if moment.monotonic >= since]
        if not moments:
            return 0.0, None, {}
        elapsed = max(min(_REPORT_SECONDS, now_monotonic - self._began), 1e-3)
        stages = {stage: median_ms([moment.stage_ms[stage] for moment in moments]) for stage in moments[-1].stage_ms}
        return round(len(moments) / elapsed, 2), percentiles([moment.latency_ms for moment in moments]), stages
