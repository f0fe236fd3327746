"""Shares the event queue between three threads, and decides when events go to the disk.

The pipeline's thread adds events, the publisher's thread sends them, the writer's thread copies to the disk what must
outlive the process. This module has the lock; no thread waits for a network or a disk while it holds it.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from edge.config.mqtt_schema import MqttConfig
from edge.messages.event_time import clock_changed
from edge.messages.payloads import EventPayload
from edge.messages.previous_boot import PreviousBoot
from edge.mqtt.outbox.account import BootAccount, RunRecord
from edge.mqtt.outbox.queue import DiskWork, EventQueue, StoredRow
from edge.mqtt.outbox.room import COMMIT_DELETES, COMMIT_EVENTS
from edge.mqtt.outbox.run_record import RunRecordFile
from edge.mqtt.settings import LATE_SECONDS
from edge.sinks.base import PublishedCallback
from edge.system.clock import ClockReading, SystemClock

_LOG: Final = logging.getLogger(__name__)

_SAVE_SECONDS: Final = 1.0
"""Age at which an event that the broker has not acknowledged goes to the disk. A broker that is connected and quick
answers within milliseconds, and then nothing is ever written: SD cards wear out."""

_DELETE_SECONDS: Final = 1.0
"""Rows of acknowledged events are deleted together, this much later: a commit for each would write as much again as
the events themselves. After a crash in between they are sent twice, marked as replayed."""

_EXPIRY_CHECK_SECONDS: Final = 60.0
"""Interval of the age check while an event waits; the bound of the age is in hours."""

_AGE_SAVE_SECONDS: Final = 3600.0
"""Interval at which the age clock is saved while events are on disk: a crash makes them younger by this at most."""

_CLOCK_CHECK_SECONDS: Final = 10.0
"""Interval at which a change of the time of day is looked for while events are on disk. A power cut within it leaves
them with the times of a clock that was not set yet, and marked so."""


class Outbox:
    """Events that the broker has not acknowledged. Thread-safe.

    `mqtt` has its bounds and the rate at which a backlog is sent. `published` is called with each payload that was
    handed to the connection. `clock`: corrects the times of events that waited while it was set. `late_seconds`: see
    `edge.mqtt.settings.LATE_SECONDS`. `record_file`: counts for the next start, should this process be killed.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        published: PublishedCallback | None = None,
        clock: SystemClock | None = None,
        *,
        late_seconds: float = LATE_SECONDS,
        record_file: RunRecordFile | None = None,
    ) -> None:
        self._mqtt = mqtt
        self._late_seconds = late_seconds
        self._clock = clock or SystemClock()
        self._saved_reading: ClockReading | None = None  # the clock as the disk has it
        self._record_file = record_file or RunRecordFile(None)
        self._left = self._record_file.read()  # by the process before
        self._previous_boots: list[PreviousBoot] = []
        self._final_saved = False
        self._published = published
        self.replay_per_second = mqtt.replay_per_second
        self._lock = threading.Lock()
        self._disk_work_changed = threading.Condition(self._lock)
        self._queue = EventQueue(mqtt.outbox_max_events, mqtt.outbox_max_age_hours * 3600)
        self._connected = False
        self._finishing = False
        self._overflowed = 0
        self._overflow_reported = False
        self._to_delete_since: float | None = None
        self._age_saved_monotonic = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether there is a connection to publish on."""
        return self._connected

    @property
    def depth(self) -> int:
        """Events that are not acknowledged."""
        with self._lock:
            return self._queue.depth

    @property
    def dropped(self) -> int:
        """Events that a full outbox dropped, or that the broker refused."""
        with self._lock:
            return self._queue.dropped

    @property
    def left_record(self) -> RunRecord | None:
        """What the process before has left where it was killed, or stopped in the same start of the machine."""
        return self._left

    @property
    def previous_boots(self) -> list[PreviousBoot]:
        """What is known of the boots before this one, the last one first; empty before `take_over`."""
        return self._previous_boots

    @property
    def saved(self) -> int:
        """Events that are on disk and not acknowledged."""
        with self._lock:
            return self._queue.saved

    @property
    def unsaved(self) -> int:
        """Events that are neither acknowledged nor on disk."""
        with self._lock:
            return self._queue.unsaved

    def report_overflow(self) -> None:
        """Log that the oldest events are dropped, where that has begun: once until the outbox was empty again."""
        with self._lock:
            if self._queue.depth == 0:
                self._overflow_reported = False
            news = self._queue.overflowed > self._overflowed and not self._overflow_reported
            self._overflowed = self._queue.overflowed
            self._overflow_reported = self._overflow_reported or news
        if news:
            _LOG.error(
                "the outbox is full: more than %d events wait (mqtt.outbox_max_events), or one for over %g hours "
                "(mqtt.outbox_max_age_hours); the oldest are dropped from now on",
                self._mqtt.outbox_max_events,
                self._mqtt.outbox_max_age_hours,
            )

    def add(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Add an event. Raises ValueError where its `seq` does not grow."""
        now = time.monotonic()
        captured_boottime = self._clock.boottime_at(captured_monotonic)
        with self._lock:
            self._queue.expire(now)
            self._queue.add(payload, captured_boottime, now, connected=self._connected)
            self._keep_record()
            self._disk_work_changed.notify()

    def connection_made(self) -> None:
        """Record that there is a connection: from here on events are sent as they happen."""
        with self._lock:
            self._connected = True
            self._queue.expire(time.monotonic())

    def connection_lost(self) -> None:
        """Record that the connection is lost: what it did not acknowledge waits for the next, and goes to the disk."""
        with self._lock:
            self._connected = False
            self._queue.connection_lost()
            self._disk_work_changed.notify()

    def send_next(
        self, publish: Callable[[bytes, tuple[str, int]], int | None], may_send: Callable[[bool], bool]
    ) -> bool:
        """Give the next event to `publish`; False where none may be sent now.

        `publish` is given payload and key (boot id and `seq`), and returns the message id; None where the broker can
        never take the event, which is then dropped. `may_send` decides, and is told whether the event is a replayed
        one. Both are called under the lock, or a full outbox could drop the very event that is being sent; neither may
        block.
        """
        with self._lock:
            entry = self._queue.next_waiting()
            if entry is None:
                return False
            entry.replayed = entry.replayed or time.monotonic() - entry.added_monotonic >= self._late_seconds
            if not may_send(entry.replayed):
                return False
            payload = entry.payload(self._clock.read(), replayed=entry.replayed)
            mid = publish(payload, entry.key)
            if mid is None:
                self._queue.drop_next()
                self._keep_record()
                self._disk_work_changed.notify()
                return True
            self._queue.sent(mid)
        if self._published is not None:
            self._published(payload)
        return True

    def acknowledged(self, mid: int) -> bool:
        """Remove the event with message id `mid`, which the broker accepted; False where there is none."""
        with self._lock:
            known = self._queue.acknowledged(mid, accepted=True)
            self._keep_record()
            if self._queue.rows_to_delete:
                self._disk_work_changed.notify()
            return known

    def refused(self, mid: int, attempts: float) -> bool | None:
        """Handle that the broker refused the event with message id `mid`; returns whether it is dropped.

        It is once it was refused `attempts` times, else it waits again. None where no such event is in flight.
        """
        with self._lock:
            dropped = self._queue.refused(mid, attempts)
            self._keep_record()
            self._disk_work_changed.notify()
            return dropped

    def begin_boot(self, boot_id: str) -> None:
        """Record which boot this is, before its first event."""
        with self._lock:
            self._queue.ledger.begin(boot_id)

    def take_over(self, rows: Sequence[StoredRow] = (), accounts: Sequence[BootAccount] = ()) -> int:
        """Take over what earlier boots have left on disk; returns how many events are lost that were there once.

        From here on the record is that of this process.
        """
        with self._lock:
            lost = max(0, self._left.saved - len(rows)) if self._left is not None else 0
            self._queue.dropped += lost
            keys = [(row.event.boot_id, row.event.seq) for row in rows]
            self._queue.ledger.close_earlier(accounts, self._left, keys)
            self._previous_boots = self._queue.ledger.previous_boots(Counter(boot_id for boot_id, _ in keys))
            self._queue.reconcile(rows)
        return lost

    def start_record(self) -> None:
        """Begin to keep the record of this process; what the one before has left is known by now, or never."""
        with self._lock:
            self._record_file.open()
            self._keep_record()

    def end_record(self) -> None:
        """Keep the record as it is now; events that are acknowledged later are not in it."""
        with self._lock:
            self._record_file.close()

    def reconcile(self, rows: Iterable[StoredRow]) -> None:
        """Compare with what is on disk after it has failed."""
        with self._lock:
            self._queue.reconcile(rows)
            self._keep_record()

    def accounts(self) -> list[BootAccount]:
        """Return what the disk is to hold of this boot and of those before."""
        with self._lock:
            return self._queue.ledger.accounts()

    def finish(self) -> None:
        """Send everything to the disk from now on; `disk_work` ends once it is there."""
        with self._lock:
            self._finishing = True
            self._disk_work_changed.notify()

    def wait_for_finish(self, seconds: float) -> bool:
        """Wait for `finish`, at most `seconds`, and drop events that are too old; True once `finish` was called."""
        with self._lock:
            self._queue.expire(time.monotonic())
            return self._disk_work_changed.wait_for(lambda: self._finishing, seconds)

    def disk_work(self, *, wait: bool = True) -> DiskWork | None:
        """Wait for work for the disk and return it; None once `finish` was called and nothing is left.

        Without `wait` None means that there is no work now.
        """
        with self._lock:
            while True:
                now = time.monotonic()
                self._queue.expire(now)
                work = self._work_due(now)
                if work is not None:
                    return work
                if self._finishing or not wait:
                    return None
                self._disk_work_changed.wait(self._seconds_to_work(now))

    def disk_work_done(self, work: DiskWork, rows: list[int], reading: ClockReading) -> None:
        """Record that `work` is on disk; `rows` are the row numbers of the events that were written.

        `reading`: the clock that was written with them.
        """
        with self._lock:
            self._queue.disk_work_done(work, rows)
            self._final_saved = self._final_saved or any(one.exact for one in work.accounts[-1:])
            self._keep_record()
            self._saved_reading = reading
            self._age_saved_monotonic = time.monotonic()
            if self._queue.rows_to_delete < COMMIT_DELETES:
                self._to_delete_since = None

    def _work_due(self, now: float) -> DiskWork | None:
        at_once = self._finishing or not self._connected
        write = self._queue.unsaved_until(now if at_once else now - _SAVE_SECONDS)[:COMMIT_EVENTS]
        if self._queue.rows_to_delete and self._to_delete_since is None:
            self._to_delete_since = now
        waited = self._to_delete_since is not None and now - self._to_delete_since >= _DELETE_SECONDS
        if write or waited or (self._queue.rows_to_delete and self._finishing):
            # Beside new rows, which have their `seq`, the accounts would change one more page.
            accounts = () if write else self._queue.ledger.accounts()
            return DiskWork(write, self._queue.to_delete()[:COMMIT_DELETES], accounts)
        if self._queue.saved and clock_changed(self._saved_reading, self._clock.read()):
            return DiskWork()
        if self._queue.saved and now - self._age_saved_monotonic >= _AGE_SAVE_SECONDS:
            return DiskWork()
        if self._finishing and not self._final_saved and self._queue.ledger.boot_id is not None:
            return DiskWork(accounts=self._queue.ledger.accounts(exact=True))
        return None

    def _keep_record(self) -> None:
        account = self._queue.ledger.current()
        if account is not None:
            self._record_file.write(RunRecord(account, self._queue.saved))

    def _seconds_to_work(self, now: float) -> float | None:
        """Return the seconds until work is due, unless notified before; None: no work will be."""
        moments = []
        oldest = self._queue.oldest_unsaved()
        if oldest is not None:
            moments.append(oldest.added_monotonic + _SAVE_SECONDS)
        if self._to_delete_since is not None:
            moments.append(self._to_delete_since + _DELETE_SECONDS)
        if self._queue.next_waiting() is not None:
            moments.append(now + _EXPIRY_CHECK_SECONDS)
        if self._queue.saved:
            moments.append(now + _CLOCK_CHECK_SECONDS)
        return max(0.0, min(moments) - now) if moments else None
