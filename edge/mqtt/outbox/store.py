"""Stores events in the outbox file: SQLite in write-ahead mode, each commit forced to the disk.

One thread at a time. The file is locked for as long as it is open, so a second sensor that was given the same file
detects that.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.messages.event_time import clock_changed
from edge.mqtt.outbox import room
from edge.mqtt.outbox.account import BootAccount
from edge.mqtt.outbox.queue import StoredRow
from edge.mqtt.outbox.room import LOG_BYTES, LOG_PAGES, PAGE_BYTES
from edge.mqtt.outbox.stored_event import NotAnEventError, StoredEvent
from edge.system.clock import ClockReading, machine_boot_id

_APPLICATION_ID: Final = 0x656D4F62  # "emOb"
_VERSION: Final = 1
_BUSY_SECONDS: Final = 1.0
_MAX_SET_ASIDE: Final = 9
"""Damaged files that are kept beside the new one; each further one replaces the last of them."""

_SCHEMA: Final = (
    "BEGIN IMMEDIATE",
    "CREATE TABLE events (number INTEGER PRIMARY KEY, taken_seconds REAL NOT NULL, json BLOB NOT NULL)",
    "CREATE TABLE clock (run_seconds REAL NOT NULL)",
    "INSERT INTO clock VALUES (0.0)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
    "COMMIT",
)

_ADDITIONS: Final = {
    "machine_boots": "CREATE TABLE machine_boots (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
    "clock_offset REAL NOT NULL, synchronised INTEGER NOT NULL)",
    "captured_boottime": "ALTER TABLE events ADD COLUMN captured_boottime REAL",
    "machine_boot": "ALTER TABLE events ADD COLUMN machine_boot INTEGER",
    "boots": "CREATE TABLE boots (number INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, decided INTEGER NOT NULL, "
    "exact INTEGER NOT NULL, settled INTEGER NOT NULL, dropped INTEGER NOT NULL, ahead INTEGER NOT NULL, "
    "unaccounted INTEGER)",
}
"""Tables and columns that were added to version 1 later. An older program, to which an upgrade may be taken back, can
use the file."""

_ROWS: Final = (
    "SELECT events.number, taken_seconds, json, captured_boottime, id, clock_offset, synchronised "
    "FROM events LEFT JOIN machine_boots ON machine_boots.number = machine_boot ORDER BY events.number"
)
_ROWS_WITHOUT_ADDITIONS: Final = "SELECT number, taken_seconds, json FROM events ORDER BY number"

_ACCOUNTS: Final = "SELECT boot_id, decided, exact, settled, dropped, ahead, unaccounted FROM boots ORDER BY number"

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE_MASK: Final = 0xFF  # the low byte of an extended result code


class StoreError(Exception):
    """The outbox file cannot be used; the message is the reason, without the file's name."""


class StoreBusyError(StoreError):
    """Another process has the file open."""


class NoRoomError(StoreError):
    """There is no room for further events; the file is still open, and rows can be deleted."""


class _NotAnOutboxError(Exception):
    """The file is damaged, or holds something else than an outbox."""


class NewRow(NamedTuple):
    """An event to write: when it was added (monotonic), its payload, and `captured_boottime` as in `Entry`."""

    added_monotonic: float
    json: bytes
    captured_boottime: float | None = None


class Store:
    """Events in `file`, which is created where it does not exist. Every method but `close` raises StoreError.

    Ages are counted by an age clock, which runs only while the sensor does and is stored in the file. The wall clock
    of a board without a battery is not always right, least of all before the network is up, and no event may be
    dropped because of that. For the same reason each event has the time of its capture by the clock that no step
    changes, and the file what the time of day was by that clock, for each start of the machine.

    `monotonic`: the clock in seconds. `connect`: opens a database, as `sqlite3.connect` does. `machine_boot`: identity
    of this start of the machine. `free_bytes`: the room on the disk of a folder; None where it is not known.
    """

    def __init__(
        self,
        file: Path,
        monotonic: Callable[[], float] = time.monotonic,
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
        machine_boot: str | None = None,
        free_bytes: Callable[[Path], int | None] = room.free_bytes,
    ) -> None:
        self.file = file
        self.set_aside: list[str] = []
        """A sentence for each file that was set aside."""
        self._monotonic = monotonic
        self._connect = connect
        self._free_bytes = free_bytes
        self.machine_boot = machine_boot_id() if machine_boot is None else machine_boot
        """Identity of this start of the machine."""
        self._missing_additions: list[str] = []
        self.accounts: list[BootAccount] = []
        """The accounts of the boots that the file holds, oldest first, as `open` found them."""
        self._saved_reading: ClockReading | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._run_seconds = 0.0
        self._opened_monotonic = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._connection is not None

    def open(self) -> list[StoredRow]:
        """Open the file and return its events, oldest first; a file that is no outbox is set aside.

        Raises StoreBusyError where another process has it open.
        """
        self.close()
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder cannot be created ({error.strerror})") from error
        try:
            return self._load()
        except _NotAnOutboxError as error:
            self._set_aside(str(error))
        try:
            return self._load()
        except _NotAnOutboxError as error:
            raise StoreError(f"the file cannot be replaced ({error})") from error

    def write(
        self,
        events: Iterable[NewRow],
        delete: Iterable[int],
        reading: ClockReading | None = None,
        accounts: Iterable[BootAccount] = (),
    ) -> list[int]:
        """Insert events, delete rows, keep the clocks of `reading` and the accounts of all boots, in one transaction.

        On return the transaction is on the disk (fsync). Returns the numbers of the new rows. Events are refused where
        there is no room for them; a deletion is always tried, because it makes room.
        """
        events = list(events)
        connection = self._usable_connection()
        try:
            if events:
                self._check_room(connection, sum(len(event.json) for event in events))
            connection.execute("BEGIN IMMEDIATE")
            for statement in self._missing_additions:
                connection.execute(statement)
            machine = self._save_clock(connection, reading)
            # Inserted before anything is deleted, a row gets a number above all others: that is the order.
            numbers = [self._insert(connection, event, machine) for event in events]
            connection.executemany("DELETE FROM events WHERE number = ?", ((number,) for number in delete))
            if not numbers:  # a new row has the time as well, and each page that changes costs 4 kB
                connection.execute("UPDATE clock SET run_seconds = ?", (self._age_clock_at(self._monotonic()),))
            self._save_accounts(connection, list(accounts))
            connection.execute("COMMIT")
            self._missing_additions = []
            self._saved_reading = reading
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"the file cannot be written to ({error})") from error
        return numbers

    def remove(self) -> None:
        """Remove the file and its log, for a file that cannot be written to and holds no event that is still needed."""
        self.close()
        try:
            for suffix in ("-wal", ""):
                self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"the file cannot be removed ({error.strerror})") from error

    def close(self) -> None:
        """Close the file; all that was written is on the disk already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Fails where the checkpoint does not fit on a full disk: then the log stays, and is read next time.
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _check_room(self, connection: sqlite3.Connection, new_bytes: int) -> None:
        """Raise StoreError where the log and the database must grow and there is no room for that."""
        (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
        try:
            log_bytes = self.file.with_name(f"{self.file.name}-wal").stat().st_size
        except FileNotFoundError:
            log_bytes = 0
        # In the pages that are unused there is room also on a full disk, and the log is overwritten from its beginning.
        if log_bytes >= LOG_PAGES * PAGE_BYTES and unused * PAGE_BYTES >= 4 * PAGE_BYTES + 2 * new_bytes:
            return
        free = self._free_bytes(self.file.parent)
        if free is not None and free < room.LEAST_FREE_BYTES + 2 * new_bytes:
            msg = f"there is no room on its disk, where {room.megabytes(room.LEAST_FREE_BYTES)} must be free"
            raise NoRoomError(msg)

    def _save_clock(self, connection: sqlite3.Connection, reading: ClockReading | None) -> int | None:
        """Keep what the time of day is by `reading` where that is news; return the number of this machine's start."""
        if reading is None or not self.machine_boot:
            return None
        if clock_changed(self._saved_reading, reading):
            connection.execute(
                "DELETE FROM machine_boots WHERE number NOT IN "
                "(SELECT machine_boot FROM events WHERE machine_boot NOTNULL)"
            )
            connection.execute(
                "INSERT INTO machine_boots (id, clock_offset, synchronised) VALUES (?, ?, ?) ON CONFLICT (id) "
                "DO UPDATE SET clock_offset = excluded.clock_offset, synchronised = excluded.synchronised",
                (self.machine_boot, reading.offset, reading.synchronised),
            )
        (number,) = connection.execute("SELECT number FROM machine_boots WHERE id = ?", (self.machine_boot,)).fetchone()
        return int(number)

    def _save_accounts(self, connection: sqlite3.Connection, accounts: list[BootAccount]) -> None:
        if accounts:
            connection.execute("DELETE FROM boots")
            connection.executemany(
                "INSERT INTO boots (boot_id, decided, exact, settled, dropped, ahead, unaccounted) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (one.boot_id, one.decided, one.exact, one.settled, one.dropped, one.ahead, one.unaccounted)
                    for one in accounts
                ),
            )

    def _insert(self, connection: sqlite3.Connection, event: NewRow, machine: int | None) -> int:
        captured = None if machine is None else event.captured_boottime
        number = connection.execute(
            "INSERT INTO events (taken_seconds, json, captured_boottime, machine_boot) VALUES (?, ?, ?, ?)",
            (self._age_clock_at(event.added_monotonic), event.json, captured, None if captured is None else machine),
        ).lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        return number

    def _age_clock_at(self, monotonic: float) -> float:
        """Return the reading in seconds of the clock that runs only while the sensor does."""
        return self._run_seconds + (monotonic - self._opened_monotonic)

    def _usable_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            msg = "the file is not open"
            raise StoreError(msg)
        try:
            same = self.file.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            # What is written to a file without a name is lost with this process.
            self.close()
            msg = "the file was removed or replaced"
            raise StoreError(msg)
        return self._connection

    def _load(self) -> list[StoredRow]:
        # Not Path.is_dir, which raises where the folder may not be searched; opening then gives the reason.
        if os.path.isdir(self.file):  # noqa: PTH112
            msg = "the path is a folder"
            raise _NotAnOutboxError(msg)
        try:
            # SQLite would make it readable for every user, but it holds when a person was seen.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            if not os.access(self.file, os.W_OK):
                msg = "the file cannot be written to (no permission, or a disk that is read-only)"
                raise StoreError(msg)
            connection = self._connection = self._connect(
                self.file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._check_or_create(connection)
            self._inode = self.file.stat().st_ino
            self._opened_monotonic = self._monotonic()
            (self._run_seconds,) = connection.execute(
                "SELECT max(run_seconds, ifnull((SELECT max(taken_seconds) FROM events), 0.0)) FROM clock"
            ).fetchone()
            self._saved_reading = None
            names = {name for _, name, *_ in connection.execute("PRAGMA table_info(events)")}
            names |= {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            self._missing_additions = [statement for name, statement in _ADDITIONS.items() if name not in names]
            self.accounts = self._load_accounts(connection) if "boots" in names else []
            rows = connection.execute(_ROWS if "machine_boots" in names else _ROWS_WITHOUT_ADDITIONS).fetchall()
            return [self._row(row) for row in rows]
        except _NotAnOutboxError:
            self.close()
            raise
        except (NotAnEventError, TypeError) as error:
            self.close()
            raise _NotAnOutboxError(f"the file has a row that is no event: {error}") from None
        except sqlite3.Error as error:
            self.close()
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE_MASK
            if code in _DAMAGED:
                raise _NotAnOutboxError(str(error)) from None
            if code == sqlite3.SQLITE_BUSY:
                msg = "another process has opened it"
                raise StoreBusyError(msg) from None
            raise StoreError(f"the file cannot be opened ({self._reason(str(error))})") from error
        except OSError as error:
            self.close()
            raise StoreError(f"the file cannot be opened ({self._reason(error.strerror or str(error))})") from error

    def _reason(self, reason: str) -> str:
        """Return `reason`, or the one that neither SQLite nor the system names."""
        return (
            "its disk has no room for another file: no free inodes" if room.no_more_files(self.file.parent) else reason
        )

    def _load_accounts(self, connection: sqlite3.Connection) -> list[BootAccount]:
        return [
            BootAccount(boot_id, decided, bool(exact), settled, dropped, ahead, unaccounted)
            for boot_id, decided, exact, settled, dropped, ahead, unaccounted in connection.execute(_ACCOUNTS)
        ]

    def _check_or_create(self, connection: sqlite3.Connection) -> None:
        """Check that the file is an outbox; create the tables where it is empty."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            for statement in _SCHEMA:
                connection.execute(statement)
        elif application != _APPLICATION_ID:
            msg = "the file is a database of another program"
            raise _NotAnOutboxError(msg)
        elif version != _VERSION:
            raise _NotAnOutboxError(f"the file has version {version}, this program supports version {_VERSION}")
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise _NotAnOutboxError(str(result).splitlines()[-1])
        connection.execute("PRAGMA journal_mode = WAL")
        # Not NORMAL, which leaves the last commits in the kernel: a power cut would lose them.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def _row(self, columns: Sequence[Any]) -> StoredRow:
        """Return a row of `_ROWS`, or of `_ROWS_WITHOUT_ADDITIONS`."""
        number, taken_seconds, json, *capture = columns
        added_monotonic = self._opened_monotonic - (self._run_seconds - taken_seconds)
        event = StoredEvent(json)
        captured_boottime, machine_boot, offset, synchronised = capture or (None, None, None, None)
        if captured_boottime is None or offset is None:
            return StoredRow(number, added_monotonic, event)
        if machine_boot == self.machine_boot:
            return StoredRow(number, added_monotonic, event, captured_boottime)
        # That start of the machine is over, and this is the last that is known of its clock.
        event = event.at_offset(captured_boottime, offset, synchronised=bool(synchronised))
        return StoredRow(number, added_monotonic, event)

    def _set_aside(self, reason: str) -> None:
        """Rename the file and its logs, so that an expert may still recover events from them."""
        names = [self.file.with_name(f"{self.file.name}.bad-{count}") for count in range(1, _MAX_SET_ASIDE + 1)]
        target = next((name for name in names if not name.exists()), names[-1])
        try:
            for suffix in ("", "-wal", "-journal"):
                part = self.file.with_name(self.file.name + suffix)
                if part.exists():
                    part.replace(target.with_name(target.name + suffix))
        except OSError as error:
            raise StoreError(f"the file is no outbox ({reason}) and cannot be renamed ({error.strerror})") from error
        self.set_aside.append(f"{self.file} is no outbox ({reason}): renamed to {target.name}, a new one is created")
