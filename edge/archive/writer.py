"""Writes batches to the store in a thread of its own, so that messages arrive while a transaction runs.

While the database is away it tries again until it is back, and keeps the batch; it also deletes by age, and logs what
was stored.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from edge.archive.batch import Batch
from edge.archive.gaps import find_gaps
from edge.archive.store import Store, StoreAwayError, Written
from edge.logs.outage import LogQuota, OutageLog, OutageNotice, format_duration
from edge.messages.text import printable
from edge.pacing import Backoff

_LOG: Final = logging.getLogger(__name__)

REPORT_SECONDS: Final = 300.0
"""Interval of the log line that says what was stored."""
RETENTION_SECONDS: Final = 600.0
"""Interval at which rows are looked for that are too old. Their age is counted in days."""
RETENTION_ROWS: Final = 2000
"""Rows of a table that one transaction deletes, so that no batch waits for long behind it."""
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 15.0
_STABLE_SECONDS: Final = 10.0
_REJECTED_LINES: Final = 10
_IDLE_SECONDS: Final = 1.0
"""Longest wait for a batch between two looks at what else is due."""


class Writer:
    """Writes to `store`. `keep_days`: as `archive.keep_days`. `wake` is called, in the thread, when a batch is done.

    One batch at a time: `submit` only where it is `idle`.
    """

    def __init__(
        self,
        store: Store,
        keep_days: int,
        wake: Callable[[], None],
        *,
        report_seconds: float = REPORT_SECONDS,
        retention_seconds: float = RETENTION_SECONDS,
    ) -> None:
        self._store = store
        self._keep_days = keep_days
        self._wake = wake
        self._report_seconds, self._retention_seconds = report_seconds, retention_seconds
        self._outage = OutageLog()
        self._backoff = Backoff(
            _FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS, stable_seconds=_STABLE_SECONDS, least_share=0.5
        )
        self._quota = LogQuota(_REJECTED_LINES)
        self._news = threading.Condition()
        self._batch: Batch[Any] | None = None
        self._done: deque[Batch[Any]] = deque()
        self._stopped = False
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
        self.failure: BaseException | None = None
        """Why the thread has ended: an ArchiveError, or a bug; None while it runs."""
        self.stored = Written()
        """Sums since the start; reasons of what was rejected are not kept."""
        self.rejected = 0
        """Records that the database did not take."""
        self.away = False
        """Whether the database is away."""

    def start(self) -> None:
        """Start the thread and open the store; return once that is done, or the database is away.

        Raises ArchiveError where the store cannot be used.
        """
        self._thread.start()
        self._settled.wait()
        if self.failure is not None:
            raise self.failure

    @property
    def idle(self) -> bool:
        """Whether no batch is being written."""
        with self._news:
            return self._batch is None

    def submit(self, batch: Batch[Any]) -> None:
        """Have a batch written."""
        with self._news:
            self._batch = batch
            self._news.notify_all()

    def take_done(self) -> list[Batch[Any]]:
        """Return the batches that are on the disk, and were not returned yet."""
        with self._news:
            done = list(self._done)
            self._done.clear()
            return done

    def stop(self) -> None:
        """Have the thread end, at once where it waits for the database; what it has is not acknowledged then."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread, at most some seconds: a hanging database must not hold up the process."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._open()
            now = time.monotonic()
            report_at, reported, began = now + self._report_seconds, Written(), now
            retention_at = now if self._keep_days else math.inf
            while not self._stopped:
                batch = self._next(_IDLE_SECONDS if now < retention_at else 0.0)
                if batch is not None:
                    self._write(batch)
                now = time.monotonic()
                if now >= retention_at:
                    # As long as something is old, after each batch; then now and then.
                    retention_at = now if self._delete() else now + self._retention_seconds
                if now >= report_at:
                    self._report(reported, now - began)
                    reported, began = Written(self.stored.events, self.stored.repeated), now
                    report_at = now + self._report_seconds
        except BaseException as error:  # noqa: BLE001 - the owner raises it
            self.failure = error
        finally:
            self._store.close()
            self._settled.set()
            self._wake()

    def _open(self) -> None:
        while not self._stopped:
            try:
                self._store.open()
            except StoreAwayError as error:
                self._failed(error)
            else:
                self._available()
                return

    def _next(self, seconds: float) -> Batch[Any] | None:
        with self._news:
            self._news.wait_for(lambda: self._batch is not None or self._stopped, seconds)
            return self._batch

    def _write(self, batch: Batch[Any]) -> None:
        """Write a batch, however long that takes; the stop ends it."""
        while not self._stopped:
            began = time.monotonic()
            try:
                written = self._store.write(batch)
            except StoreAwayError as error:
                self._failed(error, time.monotonic() - began)
                continue
            self._available()
            self._count(written)
            with self._news:
                self._done.append(batch)
                self._batch = None
            self._wake()
            return

    def _count(self, written: Written) -> None:
        self.stored.events += written.events
        self.stored.repeated += written.repeated
        for reason in written.rejected:
            self.rejected += 1
            left = self._quota.left(time.monotonic())
            if left:
                more = "; further ones of the next hour are only counted" if left == 1 else ""
                _LOG.warning("the database does not take a record, which is left out: %s%s", printable(reason), more)

    def _delete(self) -> int:
        try:
            return self._store.delete_older(self._keep_days, RETENTION_ROWS)
        except StoreAwayError as error:
            self._failed(error)
            return 0

    def _report(self, before: Written, seconds: float) -> None:
        """Log what was stored in the last `seconds`, and what is missing among it."""
        events = self.stored.events - before.events
        repeated = self.stored.repeated - before.repeated
        if not events and not repeated:
            return
        try:
            # Of the interval before as well: what another archiver was just writing is there by now.
            missing = sum(gap.missing for gap in find_gaps(self._store.holes(2 * seconds)))
        except StoreAwayError as error:
            self._failed(error)
            return
        _LOG.log(
            logging.WARNING if missing else logging.INFO,
            "%d event(s) stored in %s, %.1f a second; %d came again; %s",
            events,
            format_duration(seconds),
            events / seconds,
            repeated,
            f"{missing} missing: emotion-edge archive --gaps lists them" if missing else "none missing",
        )

    def _failed(self, error: StoreAwayError, lasted_seconds: float = 0.0) -> None:
        """Log an outage, and wait for the next attempt."""
        self.away = True
        self._settled.set()
        notice = self._outage.failed(str(error), time.monotonic())
        if notice in (OutageNotice.GONE, OutageNotice.REASON, OutageNotice.UNSTEADY):
            _LOG.warning(
                "the database cannot be used: %s; it is tried again, and events wait at the broker unacknowledged",
                printable(str(error)),
            )
        elif notice is OutageNotice.STILL:
            _LOG.warning("the database cannot be used since %s", format_duration(self._outage.seconds))
        self._backoff.attempt_ended(lasted_seconds)
        with self._news:
            self._news.wait_for(lambda: self._stopped, self._backoff.next_seconds())

    def _available(self) -> None:
        self.away = False
        self._settled.set()
        if self._outage.available(time.monotonic()) is OutageNotice.BACK:
            _LOG.info("the database is back after %s", format_duration(self._outage.seconds))
