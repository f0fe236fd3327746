"""Holds what the page may show: the latest frame, recent timings and events, by reference and never as copies."""

import threading
from bisect import bisect_left
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import msgspec

from edge.latency.stats import FrameReport, FrameStats, median_ms, percentiles
from edge.messages.payloads import EventPayload, encode
from edge.types import StepResult

LATENCY_BUCKETS_MS: Final = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
"""Upper bounds of the latency histogram: densest around the usual budgets, 50 to 200 ms."""

_TIMINGS: Final = 600
"""Frames whose timing is kept: 20 s at 30 frames a second, the width of the page's latency chart."""
_REPORT_SECONDS: Final = 10.0
"""Period over which frames per second and percentiles are computed, however often they are requested."""
_HISTORY_SECONDS: Final = 300.0
_SAMPLE_SECONDS: Final = 0.25
"""Interval of the history. A label lasts for at least `events.dwell_seconds`, 0.6 s by default."""
_EVENTS: Final = 50


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """Timing of one frame.

    `monotonic`: when the pipeline had finished it (`time.monotonic()`, seconds). `captured_unix`: when it was
    captured (`time.time()`, seconds). `level`: index of its degradation level in `LADDER`. `stage_ms`: milliseconds
    by stage.
    """

    number: int
    monotonic: float
    captured_unix: float
    latency_ms: float
    level: int
    stage_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """Faces in view at one time, Unix seconds: (track id, label, confidence) of each."""

    captured_unix: float
    faces: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event on the page. `version` grows with every change of any event.

    `payload`: JSON as it was published, or as it will be if `published` is False.
    """

    version: int
    published: bool
    payload: bytes


class _EventId(msgspec.Struct):
    id: str


class Feed(FrameStats):
    """Buffers between the threads that produce and the thread that serves the page.

    The pipeline's and the publisher's thread write, the page's thread reads. A writer never blocks for long: a frame
    costs some appended tuples, an event a lock that is held for microseconds. `report` covers the last ten seconds,
    however often it is called; that of `FrameStats` covers the time since the previous call.
    """

    def __init__(self, now_monotonic: float) -> None:
        super().__init__(now_monotonic)
        self._created_monotonic = now_monotonic
        self.latest: StepResult | None = None
        """The last frame and its faces; None while no picture may be shown."""
        self.blanked = 0
        """How often the picture was removed. What was encoded before that must not be shown any more."""
        self.timings: deque[FrameTiming] = deque(maxlen=_TIMINGS)
        self.history: deque[Sample] = deque(maxlen=round(_HISTORY_SECONDS / _SAMPLE_SECONDS))
        self.latency_counts = [0] * (len(LATENCY_BUCKETS_MS) + 1)
        """Frames by latency: one count per bound of `LATENCY_BUCKETS_MS`, not cumulative, and one above the last."""
        self.latency_sum_ms = 0.0
        self.events_total: dict[str, int] = {}
        self.events_version = 0
        self._sample_due = 0.0
        self._lock = threading.Lock()
        self._events: OrderedDict[str, EventRecord] = OrderedDict()

    def show(self, now_monotonic: float, result: StepResult, latency_ms: float, level: int) -> None:
        """Add a processed frame. `level`: index of its degradation level in `LADDER`."""
        self.frames += 1
        frame = result.frame
        unix = frame.captured_unix
        self.timings.append(FrameTiming(frame.number, now_monotonic, unix, latency_ms, level, result.stage_ms))
        self.latency_counts[bisect_left(LATENCY_BUCKETS_MS, latency_ms)] += 1
        self.latency_sum_ms += latency_ms
        self.latest = result
        if now_monotonic >= self._sample_due:
            self._sample_due = now_monotonic + _SAMPLE_SECONDS
            self.history.append(
                Sample(unix, tuple((face.track_id, face.label, round(face.confidence, 3)) for face in result.faces))
            )

    def blank(self) -> None:
        """Remove the picture until the next frame."""
        self.latest = None
        self.blanked += 1

    def event_decided(self, payload: EventPayload) -> None:
        """Add an event that is about to be published."""
        self.events_total[payload.type] = self.events_total.get(payload.type, 0) + 1
        self._store(payload.id, encode(payload), published=False)

    def event_published(self, payload: bytes) -> None:
        """Add an event's payload as it was handed over; replaces the same event's earlier payload."""
        self._store(msgspec.json.decode(payload, type=_EventId).id, payload, published=True)

    def _store(self, event_id: str, payload: bytes, *, published: bool) -> None:
        with self._lock:
            self.events_version += 1
            # An event that is published again keeps its place.
            self._events[event_id] = EventRecord(self.events_version, published, payload)
            while len(self._events) > _EVENTS:
                self._events.popitem(last=False)

    def events(self, after_version: int = 0) -> list[EventRecord]:
        """Return the last events that changed after a version, oldest first."""
        with self._lock:
            return [record for record in self._events.values() if record.version > after_version]

    def report(self, now_monotonic: float) -> FrameReport:
        """Return frames per second, latency percentiles and median stage times of the last ten seconds."""
        since = now_monotonic - _REPORT_SECONDS
        timings = [timing for timing in list(self.timings) if timing.monotonic >= since]
        if not timings:
            return 0.0, None, {}
        elapsed = max(min(_REPORT_SECONDS, now_monotonic - self._created_monotonic), 1e-3)
        stages = {stage: median_ms([timing.stage_ms[stage] for timing in timings]) for stage in timings[-1].stage_ms}
        return round(len(timings) / elapsed, 2), percentiles([timing.latency_ms for timing in timings]), stages
