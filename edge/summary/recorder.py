"""Keeps the summary of a running sensor: feeds the reducer, publishes each minute, writes each hour.

Used by the pipeline's thread alone. A write takes a thread of its own, because a commit to an SD card can take seconds.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.config.schema import Config
from edge.config.state_dir import summary_file
from edge.messages.event_time import STEP_SECONDS
from edge.messages.payload_builder import timestamp
from edge.messages.summary import PeriodSummary, SummaryPayload
from edge.messages.text import count
from edge.summary.history import History, PlacedCell
from edge.summary.local_time import LocalTime
from edge.summary.reducer import Reducer, Seen
from edge.summary.report import Rules, period
from edge.summary.store import HOURS_A_DAY, DamagedFileError, SummaryFileError, SummaryStore
from edge.summary.tally import Tally
from edge.system.clock import ClockReading, SystemClock
from edge.system.machine_lock import LockedError, MachineLock
from edge.types import Event, EventKind, TrackedFace

log = logging.getLogger(__name__)

_SHOWN_HOURS: Final = 24
"""Hours that the preview page shows, the running one included."""
_COUNT_SECONDS: Final = 0.2
"""How often time is counted while nothing changes. With each frame it would be one in a hundred of a frame's work."""
_CLOCK_SECONDS: Final = 1.0
"""How often the recorder looks whether the clock was set, and whether a minute or an hour is over."""
_LAST_SECONDS: Final = 2.0
"""How long before its end a day is published once more: two looks at the clock."""
_FINISH_SECONDS: Final = 10.0
"""How long the end waits for a write that is going on: twice as long as SQLite waits for a reader."""


def system_utc_offset(unix: float) -> int:
    """Return by how many seconds the machine's local time is ahead of UTC at a moment; 0 outside of its years."""
    try:
        return time.localtime(unix).tm_gmtoff
    except (OverflowError, ValueError, OSError):
        return 0


class NullRecorder:
    """The recorder of a sensor that keeps no summary: every method does nothing."""

    def start(self) -> None:
        """Read what is on the disk."""

    def set_rules(self, config: Config) -> None:
        """Use other groups from now on."""

    def use_labels(self, labels: Sequence[str]) -> None:
        """Use the labels of another model from now on; `set_rules` must follow."""

    def events(self, events: Sequence[Event]) -> None:
        """Take events."""

    def state(self, faces: Sequence[TrackedFace]) -> None:
        """Take the faces in view."""

    def tick(self, *, looking: bool) -> bool:
        """Count time; return whether there is a new summary to publish."""
        _ = looking
        return False

    def payload(self) -> SummaryPayload | None:
        """Return the summary as it is now; None where none is kept."""
        return None

    def shown_hours(self) -> list[PeriodSummary]:
        """Return the hours that the page shows, oldest first."""
        return []

    def finish(self) -> None:
        """Write what is left."""


class Recorder(NullRecorder):
    """The summary of one sensor.

    `labels`: labels of the model. `valence`: of a face, None where it has none. `store`: None keeps it in memory alone.
    `clock`, `utc_offset`: of this machine. `lock`: keeps a second sensor from writing to the same file.
    """

    def __init__(  # noqa: PLR0913 - the last three have defaults
        self,
        config: Config,
        labels: Sequence[str],
        valence: Callable[[TrackedFace], float | None],
        store: SummaryStore | None,
        *,
        clock: SystemClock | None = None,
        utc_offset: Callable[[float], int] = system_utc_offset,
        lock: MachineLock | None = None,
    ) -> None:
        self._labels = tuple(labels)
        self._valence = valence
        self._store = store
        self._clock = clock or SystemClock()
        self._lock = lock or MachineLock()
        self._local = LocalTime(utc_offset)
        # Without the kernel's id of this start, only what this process has made is known to be of it.
        self._boot = self._clock.machine_boot or secrets.token_hex(8)
        self._reading = self._clock.read()
        self._reducer = Reducer(self._reading.boottime, self._reading.offset)
        self._history = History(self._boot, self._local)
        self._hour = self._local.hour(self._reading.unix)
        self._writing: threading.Thread | None = None
        self._written: Sequence[PlacedCell] = ()
        self._write_failed: str | None = None
        self._logged: str | None = None
        self._closed = self._counted = 0.0
        self._looking: bool | None = None
        self.set_rules(config)

    def set_rules(self, config: Config) -> None:
        """Use other groups from now on, and another least number of visits."""
        self._rules = Rules(self._labels, config.labels, config.summary.min_visits, self._local.utc_offset)

    def use_labels(self, labels: Sequence[str]) -> None:
        """Use the labels of another model from now on; `set_rules` must follow."""
        self._labels = tuple(labels)

    def start(self) -> None:
        """Read the last days from the disk. What cannot be read is set aside or left out, with a line in the log."""
        if self._store is None:
            return
        try:
            self._lock.acquire([f"summary {self._store.file}"])
            saved = self._store.load()
        except LockedError:
            log.warning("another sensor keeps its summary in %s: this one keeps it in memory only", self._store.file)
            self._store = None
            return
        except DamagedFileError as error:
            saved = []
            self._set_aside(error)
        except SummaryFileError as error:
            saved = []
            log.warning("the summaries of the last days cannot be read: %s", error)
        self._history = History(self._boot, self._local, saved)
        self._history.set_offset(self._reading.offset)

    def events(self, events: Sequence[Event]) -> None:
        """Begin and end visits."""
        if not events:
            return
        now = self._now()
        for event in events:
            if event.kind is EventKind.FACE_APPEARED:
                self._reducer.appeared(now, event.face.track_id)
            elif event.kind is EventKind.FACE_LEFT:
                self._reducer.left(now, event.face.track_id)

    def state(self, faces: Sequence[TrackedFace]) -> None:
        """Take who is in view from now on."""
        seen = [Seen(face.track_id, face.label, self._valence(face)) for face in faces]
        self._reducer.see(self._now(), seen)

    def tick(self, *, looking: bool) -> bool:
        """Count the time since the last call, during which the sensor `looking` was as it said then.

        Returns whether a minute is over, or the clock was set, so that there is a new summary to publish.
        """
        now = self._now()
        if looking is self._looking and now - self._counted < _COUNT_SECONDS:
            return False
        self._looking, self._counted = looking, now
        self._reducer.advance(now, looking=looking)
        before = self._reading
        if now - before.boottime < _CLOCK_SECONDS:
            return False
        reading = self._clock.read()
        changed = abs(reading.offset - before.offset) >= STEP_SECONDS
        if changed:
            self._reducer.set_offset(now, reading.offset)
        # Added where they were by the clock as it was; then they move with the others.
        self._history.add(self._reducer.take(), before.offset)
        if changed:
            self._history.set_offset(reading.offset)
        self._reading = reading
        self._write_if_due()
        # Once more in the last moments of a day: whoever adds up days must not miss its last minute.
        _, end = self._local.day(reading.unix)
        last = end - reading.unix <= _LAST_SECONDS and self._closed != end
        self._closed = end if last else self._closed
        return changed or last or reading.unix // 60 != before.unix // 60

    def payload(self) -> SummaryPayload:
        """Return the summary as it is now."""
        now, running = self._now_and_running()
        hour, day = self._local.hour(now), self._local.day(now)
        return SummaryPayload(
            time=timestamp(now),
            min_visits=self._rules.min_visits,
            hour=self._period(hour, now, running),
            day=self._period(day, now, running),
            last_hour=self._period_if_any(self._local.hour(hour[0] - 1), now, running),
            last_day=self._period_if_any(self._local.day(day[0] - 1), now, running),
        )

    def shown_hours(self) -> list[PeriodSummary]:
        """Return the hours that the page shows, oldest first; of an hour in which the sensor did not run, zeros."""
        now, running = self._now_and_running()
        hours = [self._local.hour(now)]
        while len(hours) < _SHOWN_HOURS:
            hours.append(self._local.hour(hours[-1][0] - 1))
        return [self._period(hour, now, running) for hour in reversed(hours)]

    def finish(self) -> None:
        """Write what is left, and wait for it."""
        self._history.add(self._reducer.finish(self._now()), self._reading.offset)
        if self._wait_for_write():
            self._begin_write()
            self._wait_for_write()
        self._lock.close()

    def _now(self) -> float:
        return self._clock.boottime()

    def _now_and_running(self) -> tuple[float, PlacedCell]:
        reading = self._reading
        cell = self._reducer.running()
        return max(reading.unix, reading.offset + cell.start + cell.length), self._history.place(cell, reading.offset)

    def _period(self, bounds: tuple[float, float], now: float, running: PlacedCell) -> PeriodSummary:
        """Return the summary of a period; zeros where the sensor did not run in it."""
        return self._period_if_any(bounds, now, running) or period(Tally(), bounds, now, self._rules)

    def _period_if_any(self, bounds: tuple[float, float], now: float, running: PlacedCell) -> PeriodSummary | None:
        total = self._history.total(*bounds, running)
        return None if total is None else period(total, bounds, now, self._rules)

    def _write_if_due(self) -> None:
        """Begin a write where an hour is over, and note the end of the last one."""
        self._write_ended()
        hour = self._local.hour(self._reading.unix)
        if hour != self._hour and self._writing is None:
            self._hour = hour
            self._begin_write()

    def _begin_write(self) -> None:
        self._written = self._history.unsaved()
        if self._store is None or not self._written:
            return
        self._writing = threading.Thread(
            target=self._write, args=(self._store, self._written, self._reading), name="summary", daemon=True
        )
        self._writing.start()

    def _wait_for_write(self) -> bool:
        """Wait for a write that is going on; return whether none is left."""
        if self._writing is not None:
            self._writing.join(_FINISH_SECONDS)
        self._write_ended()
        return self._writing is None

    def _write(self, store: SummaryStore, cells: Sequence[PlacedCell], reading: ClockReading) -> None:
        try:
            store.write(cells, self._boot, reading.offset, LocalTime(self._local.utc_offset))
        except DamagedFileError as error:
            try:
                self._set_aside(error)
                store.write(cells, self._boot, reading.offset, LocalTime(self._local.utc_offset))
            except SummaryFileError as second:
                self._write_failed = str(second)
        except SummaryFileError as error:
            self._write_failed = str(error)
        except Exception as error:  # a thread that ends without a trace would be worse
            log.exception("the summary failed on a bug")
            self._write_failed = str(error)

    def _write_ended(self) -> None:
        if self._writing is None or self._writing.is_alive():
            return
        self._writing = None
        if self._write_failed is None:
            self._history.mark_saved(self._written)
        elif self._write_failed != self._logged:
            log.warning(
                "the summary of %s is in memory only, and tried again in an hour: %s",
                count(len(self._written), "minute"),
                self._write_failed,
            )
        self._logged, self._write_failed = self._write_failed, None

    def _set_aside(self, error: SummaryFileError) -> None:
        assert self._store is not None  # noqa: S101 - the error is of it
        try:
            log.warning("%s: renamed to %s, a new one is created", error, self._store.set_aside().name)
        except SummaryFileError as second:
            log.warning("%s: %s", error, second)


def create_recorder(
    config: Config,
    device: str,
    labels: Sequence[str],
    valence: Callable[[TrackedFace], float | None],
) -> NullRecorder:
    """Return the recorder that the configuration asks for. Raises ConfigError as `summary_file` does."""
    if not config.summary.enabled:
        return NullRecorder()
    file = summary_file(config.mqtt, device)
    store = None if file is None else SummaryStore(file, config.summary.keep_days * HOURS_A_DAY)
    return Recorder(config, labels, valence, store)
