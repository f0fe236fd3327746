"""The outbox file: events in SQLite, in write-ahead mode, each commit forced to the disk.

One thread at a time. The connection keeps the file locked for as long as it is open, so a second
sensor that was given the same file finds that out.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from edge.mqtt.outbox.queue import StoredRow
from edge.mqtt.outbox.stored_event import NotAnEventError, StoredEvent

_APPLICATION_ID: Final = 0x656D4F62  # "emOb"
_VERSION: Final = 1
_BUSY_SECONDS: Final = 1.0
_ASIDE: Final = 9
"""Spoilt files kept beside the good one; each further one takes the place of the last."""

_WAL_BYTES: Final = 1 << 20
"""What the write-ahead log is cut back to after it was copied: it grows with the longest absence."""

_SCHEMA: Final = (
    "BEGIN IMMEDIATE",
    "CREATE TABLE events (number INTEGER PRIMARY KEY, taken_seconds REAL NOT NULL, json BLOB NOT NULL)",
    "CREATE TABLE clock (run_seconds REAL NOT NULL)",
    "INSERT INTO clock VALUES (0.0)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
    "COMMIT",
)

_SPOILT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF  # the low byte of an extended result code


class StoreError(Exception):
    """The disk does not do what it should; the message says what, without the file's name."""


class StoreBusyError(StoreError):
    """Another process has the file."""


class _SpoiltError(Exception):
    """The file holds something else than an outbox."""


class Store:
    """Events in `file`, which is made where it is absent. Every method but `close` raises StoreError.

    Ages are counted by a clock of its own, which runs only while the sensor does and is kept in the
    file: no wall clock is right at all times on a board that has no battery for one, least of all
    before the network is there, and an event must not be dropped because of that.
    """

    def __init__(self, file: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.file = file
        self.set_aside: list[str] = []
        """A sentence for each file that had to make way."""
        self._monotonic = monotonic
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._run_seconds = 0.0
        self._opened_monotonic = 0.0

    def open(self) -> list[StoredRow]:
        """Open the file and return what it holds, oldest first; one that is no outbox is set aside.

        Raises StoreBusyError where another process has it.
        """
        self.close()
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"it cannot be made ({error.strerror})") from error
        try:
            return self._load()
        except _SpoiltError as error:
            self._put_aside(str(error))
        try:
            return self._load()
        except _SpoiltError as error:
            raise StoreError(f"it cannot be made anew ({error})") from error

    def write(self, events: Iterable[tuple[float, bytes]], delete: Iterable[int]) -> list[int]:
        """Add events, each with the moment it was taken (monotonic), and delete rows; all of it or nothing.

        On return it is on the disk, not just on its way there. Returns the numbers of the new rows.
        """
        connection = self._usable()
        try:
            connection.execute("BEGIN IMMEDIATE")
            # Added before anything is deleted, a row gets a number above all others: that is the order.
            numbers = [self._insert(connection, taken, json) for taken, json in events]
            connection.executemany("DELETE FROM events WHERE number = ?", ((number,) for number in delete))
            if not numbers:  # a new row tells the time as well, and each page that changes costs 4 kB
                connection.execute("UPDATE clock SET run_seconds = ?", (self._seconds_at(self._monotonic()),))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"it cannot be written to ({error})") from error
        return numbers

    def close(self) -> None:
        """Let go of the file; what was written is safe without it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Fails where the log cannot be copied into a full disk: then it stays, and is read next time.
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _insert(self, connection: sqlite3.Connection, taken_monotonic: float, json: bytes) -> int:
        values = (self._seconds_at(taken_monotonic), json)
        number = connection.execute("INSERT INTO events (taken_seconds, json) VALUES (?, ?)", values).lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        return number

    def _seconds_at(self, monotonic: float) -> float:
        """Reading of the clock that runs only while the sensor does."""
        return self._run_seconds + (monotonic - self._opened_monotonic)

    def _usable(self) -> sqlite3.Connection:
        if self._connection is None:
            msg = "it is not open"
            raise StoreError(msg)
        try:
            same = self.file.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            # What is written to a file without a name is gone with us.
            self.close()
            msg = "it was removed or replaced"
            raise StoreError(msg)
        return self._connection

    def _load(self) -> list[StoredRow]:
        if self.file.is_dir():
            msg = "it is a folder"
            raise _SpoiltError(msg)
        try:
            # SQLite would let everybody read it, and who was seen when is nobody's business.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            if not os.access(self.file, os.W_OK):
                msg = "it cannot be written to (no permission, or a disk that is read-only)"
                raise StoreError(msg)
            connection = self._connection = sqlite3.connect(
                self.file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._check(connection)
            self._inode = self.file.stat().st_ino
            self._opened_monotonic = self._monotonic()
            (self._run_seconds,) = connection.execute(
                "SELECT max(run_seconds, ifnull((SELECT max(taken_seconds) FROM events), 0.0)) FROM clock"
            ).fetchone()
            rows = connection.execute("SELECT number, taken_seconds, json FROM events ORDER BY number").fetchall()
            return [self._row(*row) for row in rows]
        except _SpoiltError:
            self.close()
            raise
        except (NotAnEventError, TypeError) as error:
            self.close()
            raise _SpoiltError(f"it holds something that is no event: {error}") from None
        except sqlite3.Error as error:
            self.close()
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            if code in _SPOILT:
                raise _SpoiltError(str(error)) from None
            if code == sqlite3.SQLITE_BUSY:
                msg = "another process has it open"
                raise StoreBusyError(msg) from None
            raise StoreError(f"it cannot be opened ({error})") from error
        except OSError as error:
            self.close()
            raise StoreError(f"it cannot be opened ({error.strerror})") from error

    def _check(self, connection: sqlite3.Connection) -> None:
        """See that this is an outbox, or make it one where it is empty."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            for statement in _SCHEMA:
                connection.execute(statement)
        elif application != _APPLICATION_ID:
            msg = "it is a database of something else"
            raise _SpoiltError(msg)
        elif version != _VERSION:
            raise _SpoiltError(f"it is of version {version}, this program knows version {_VERSION}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _SpoiltError(str(verdict).splitlines()[-1])
        connection.execute("PRAGMA journal_mode = WAL")
        # Not NORMAL, which leaves the last commits to the kernel: a power cut would take them.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")

    def _row(self, number: int, taken_seconds: float, json: bytes) -> StoredRow:
        taken_monotonic = self._opened_monotonic - (self._run_seconds - taken_seconds)
        return StoredRow(number, taken_monotonic, StoredEvent(json))

    def _put_aside(self, reason: str) -> None:
        """Give the file another name, and with it what belongs to it: somebody may still save something."""
        names = [self.file.with_name(f"{self.file.name}.bad-{count}") for count in range(1, _ASIDE + 1)]
        target = next((name for name in names if not name.exists()), names[-1])
        try:
            for suffix in ("", "-wal", "-journal"):
                part = self.file.with_name(self.file.name + suffix)
                if part.exists():
                    part.replace(target.with_name(target.name + suffix))
        except OSError as error:
            raise StoreError(f"it is no outbox ({reason}) and cannot be renamed ({error.strerror})") from error
        self.set_aside.append(f"{self.file} is no outbox ({reason}): it is set aside as {target.name}")
