"""Copies events that must outlive the process to the disk, in a thread of its own.

A commit to an SD card takes from milliseconds to seconds. So neither the pipeline waits for one, which has a latency
budget, nor the publisher, which has to keep its connection alive.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from edge.errors import ConfigError
from edge.logs.outage import OutageLog, OutageNotice, format_duration
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.queue import DiskWork, StoredRow
from edge.mqtt.outbox.snapshot import UnreadableError, in_use, read_snapshot
from edge.mqtt.outbox.store import NewRow, NoRoomError, Store, StoreBusyError, StoreError
from edge.system.clock import ClockReading, SystemClock

_LOG: Final = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 15.0
"""Wait before a disk that failed is tried again: there may be room by then."""

_LONGEST_WAIT: Final = 8
"""Most times that wait for a file that cannot be opened or written to: two minutes. A disk that has failed rarely
comes back, and each attempt reads the whole file."""

_FINISH_SECONDS: Final = 10.0
"""Longest wait for the last commit; systemd gives a service 90 seconds to end."""

_MESSAGES: Final = {
    OutageNotice.GONE: "{problem}",
    OutageNotice.REASON: "{problem}",
    OutageNotice.STILL: "for {duration} now: {problem}",
    OutageNotice.UNSTEADY: "repeatedly: {problem}; recovery is logged once writing keeps working",
}


class OutboxWriter:
    """Copies the disk work of `outbox` into `store`. A disk that fails costs durability and nothing else.

    `clock`: the one of the outbox. `on_taken_over` is called once the events of earlier runs are in the outbox.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        retry_seconds: float = _RETRY_SECONDS,
        clock: SystemClock | None = None,
        on_taken_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._clock = clock or SystemClock()
        self._on_taken_over = on_taken_over
        self._retry_seconds = retry_seconds
        self._problem: str | None = None
        self._failed_openings = 0
        self._taken_over = False  # the events of earlier runs are in the outbox
        self._outage = OutageLog()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why events are in memory only, as a sentence; None while the disk works."""
        return self._problem

    def start(self) -> None:
        """Take over the events of earlier runs, and start the thread.

        Raises ConfigError where another sensor uses the same file. Any other failure becomes the `problem`.
        """
        try:
            self._open()
        except StoreBusyError as error:
            msg = (
                f"{self._store.file} is in use ({error}): a second sensor needs a device.id of its own, "
                "or a folder of its own in mqtt.outbox_directory"
            )
            raise ConfigError(msg) from error
        except StoreError as error:
            self._report_failure(error)
        depth = self._outbox.depth
        if depth:
            _LOG.info("%d event(s) of earlier runs wait in %s", depth, self._store.file)
        self._thread.start()

    def finish(self) -> bool:
        """Write what is left and close the file; True where all that is not acknowledged is on disk."""
        self._outbox.finish()
        if self._thread.ident is not None:
            self._thread.join(_FINISH_SECONDS)
        return not self._thread.is_alive() and self._outbox.unsaved == 0

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - a thread that ends without a trace would be worse
            _LOG.exception("the outbox writer failed on a bug")
            self._problem = f"the outbox writer failed on a bug ({error!r}), so events are in memory only"
        finally:
            self._store.close()

    def _serve(self) -> None:
        """Work until all is done, or until the disk fails while the outbox finishes."""
        last = False
        while True:
            wait_seconds = self._retry_seconds
            try:
                self._recover()
                self._work()
            except NoRoomError as error:
                self._report_failure(error)
            except StoreError as error:
                self._report_failure(error)
                # To open the file means to read all of it.
                wait_seconds *= min(2**self._failed_openings, _LONGEST_WAIT)
                self._failed_openings += 1
            else:
                return
            if last:
                return
            # Once the outbox finishes, there is one more attempt.
            last = self._outbox.wait_for_finish(wait_seconds)

    def _work(self) -> None:
        while (work := self._outbox.disk_work()) is not None:
            try:
                self._do(work)
            except NoRoomError:
                raise
            except StoreError as error:
                # A file that was removed or damaged can be made anew at once.
                _LOG.debug("%s: %s", self._store.file, error)
                self._open()
                self._catch_up()

    def _recover(self) -> None:
        """Make the store work again where it has failed."""
        if self._problem is not None:
            if not self._store.is_open:
                self._open()
            # Only a commit shows that there is room.
            self._catch_up()

    def _catch_up(self) -> None:
        while (work := self._outbox.disk_work(wait=False)) is not None:
            self._do(work)
        self._problem = None
        self._failed_openings = 0
        self._report_success()

    def _open(self) -> None:
        self._load()
        try:
            self._store.write((), (), self._clock.read(), self._outbox.accounts())
        except StoreError:
            if self._outbox.saved:
                raise
            # No event in the file is needed any more, and without the file there may be room for a new one.
            self._store.remove()
            self._load()
            self._store.write((), (), self._clock.read(), self._outbox.accounts())

    def _load(self) -> None:
        try:
            rows = self._store.open()
        except StoreBusyError:
            raise
        except StoreError:
            # What can be read is to be sent, also where nothing can be written.
            if not self._taken_over:
                self._load_snapshot()
            raise
        finally:
            for sentence in self._store.set_aside:
                # While the process runs, memory holds all that was in the file.
                unknown = "" if self._taken_over or self._outbox.left_record else "; what waited in it is not known"
                _LOG.error("%s%s", sentence, unknown)
            self._store.set_aside.clear()
        if self._taken_over:
            self._outbox.reconcile(rows)
        else:
            self._take_over(rows)

    def _load_snapshot(self) -> None:
        file = self._store.file
        with contextlib.suppress(OSError, UnreadableError):
            if not in_use(file):
                rows = read_snapshot(file, self._store.machine_boot)
                if rows is not None:
                    self._take_over(rows)

    def _take_over(self, rows: list[StoredRow]) -> None:
        lost = self._outbox.take_over(rows, self._store.accounts)
        self._taken_over = True
        if lost:
            _LOG.error(
                "%d of %d event(s) that waited in %s are lost: the file was removed, replaced or damaged",
                lost,
                lost + len(rows),
                self._store.file,
            )
        for boot in self._outbox.previous_boots[:1]:
            if boot.events_unaccounted:
                _LOG.warning(
                    "boot %s of the sensor ended without a stop: %d of its %d event(s) were neither acknowledged nor "
                    "on disk, and may be lost",
                    boot.boot_id,
                    boot.events_unaccounted,
                    boot.events_decided,
                )
        self._on_taken_over()

    def _do(self, work: DiskWork) -> None:
        following: DiskWork | None = work
        while following is not None:
            work, following = following, None
            try:
                self._commit(work)
            except NoRoomError:
                if not work.delete:
                    raise
                # Deleted rows make room, for this event or for others.
                self._commit(DiskWork(delete=work.delete, accounts=self._outbox.accounts()))
                following = self._outbox.disk_work(wait=False)
        if self._problem is None:
            self._report_success()

    def _commit(self, work: DiskWork) -> None:
        reading = self._clock.read()
        self._outbox.disk_work_done(work, self._write(work, reading), reading)

    def _write(self, work: DiskWork, reading: ClockReading) -> list[int]:
        rows = [entry.row for entry in work.delete if entry.row is not None]
        new = [
            NewRow(entry.added_monotonic, entry.payload(reading, replayed=True), entry.captured_boottime)
            for entry in work.write
        ]
        return self._store.write(new, rows, reading, work.accounts)

    def _report_failure(self, error: StoreError) -> None:
        problem = f"{self._store.file}: {error}, so events that wait for the broker are in memory only"
        notice = self._outage.failed(problem, time.monotonic())
        if notice is not None:
            duration = format_duration(self._outage.seconds)
            _LOG.error("%s", _MESSAGES[notice].format(problem=problem, duration=duration))
        self._problem = problem

    def _report_success(self) -> None:
        if self._outage.available(time.monotonic()) is not None:
            _LOG.warning("%s can be written to again", self._store.file)
