"""Keeps the archive in an SQLite file: the store of one machine, which needs nothing installed."""

import contextlib
import datetime
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.archive.batch import Batch
from edge.archive.gaps import End, Hole
from edge.archive.migrations import VERSION_TABLE, newest, pending
from edge.archive.queries import ENDS, HOLES, RECENT_HOLES, RETAINED_TABLES, boots_of
from edge.archive.store import EVENT_COLUMNS, StoreAwayError, Written
from edge.errors import ArchiveError

_PRIVATE: Final = 0o600
"""Mode of the file: others must not learn who was seen when."""
_WAL_RETRY_SECONDS: Final = 0.05
_BUSY_SECONDS: Final = 10.0
"""Longest wait for another archiver's transaction."""
_BLOCK_ROWS: Final = 1000

_EVENT: Final = (
    f"INSERT INTO event ({', '.join(EVENT_COLUMNS)}) "  # noqa: S608 - names of this module
    f"VALUES ({', '.join(f':{name}' for name in EVENT_COLUMNS)}) ON CONFLICT DO NOTHING"
)
_BOOT: Final = "INSERT INTO boot (device, boot_id, received, complete_from) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_INFO_BOOT: Final = (
    "INSERT INTO boot (device, boot_id, received, complete_from, info) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (device, boot_id) DO UPDATE SET info = excluded.info"
)
_ENDED_BOOT: Final = "UPDATE boot SET events_decided = ?, events_waiting = ? WHERE device = ? AND boot_id = ?"
_INFO_DEVICE: Final = (
    "INSERT INTO device (device, received, name, version, model, source, boot_id) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (device) DO UPDATE SET name = excluded.name, version = excluded.version, model = excluded.model, "
    "source = excluded.source, boot_id = excluded.boot_id"
)
_STATUS_DEVICE: Final = (
    "INSERT INTO device (device, received, status, status_received) VALUES (?1, ?2, ?3, ?2) "
    "ON CONFLICT (device) DO UPDATE SET status = excluded.status, status_received = excluded.status_received "
    "WHERE device.status IS NOT excluded.status"
)
_STATUS: Final = "INSERT INTO status (device, received, status) VALUES (?, ?, ?)"
_STATE: Final = (
    "INSERT INTO state (device, time, received, present, paused, faces, emotion, confidence, valence, payload) VALUES "
    "(:device, :time, :received, :present, :paused, :faces, :emotion, :confidence, :valence, :payload) "
    "ON CONFLICT DO NOTHING"
)
_HEALTH: Final = (
    "INSERT INTO health (device, time, received, source, fps, p99_ms, budget_ms, within_budget, level, outbox_depth, "
    "outbox_dropped, temperature_c, throttled, payload) VALUES (:device, :time, :received, :source, :fps, :p99_ms, "
    ":budget_ms, :within_budget, :level, :outbox_depth, :outbox_dropped, :temperature_c, :throttled, :payload) "
    "ON CONFLICT DO NOTHING"
)
_LATEST: Final = (
    "INSERT INTO device (device, received, {kind}_time, {kind}) VALUES (:device, :received, :time, :payload) "
    "ON CONFLICT (device) DO UPDATE SET {kind}_time = excluded.{kind}_time, {kind} = excluded.{kind} "
    "WHERE device.{kind}_time IS NULL OR device.{kind}_time <= excluded.{kind}_time"
)
_SUMMARY: Final = (
    "INSERT INTO summary (device, period, start, time, received, local_start, complete, looked_seconds, "
    "present_seconds, visits, valence, payload) VALUES (:device, :period, :start, :time, :received, :local_start, "
    ":complete, :looked_seconds, :present_seconds, :visits, :valence, :payload) "
    "ON CONFLICT (device, period, start) DO UPDATE SET time = excluded.time, received = excluded.received, "
    "local_start = excluded.local_start, complete = excluded.complete, looked_seconds = excluded.looked_seconds, "
    "present_seconds = excluded.present_seconds, visits = excluded.visits, valence = excluded.valence, "
    "payload = excluded.payload WHERE summary.time < excluded.time"
)


def _text(time: datetime.datetime) -> str:
    """Return a time in UTC as the tables have it, which sorts by time."""
    return time.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _now() -> str:
    return _text(datetime.datetime.now(datetime.UTC))


def _row(record: msgspec.Struct, received: str) -> dict[str, Any]:
    """Return a record as parameters of a statement."""
    row: dict[str, Any] = {"received": received}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, datetime.datetime):
            value = _text(value)
        elif isinstance(value, msgspec.Raw):
            value = bytes(value).decode()
        elif isinstance(value, list):
            value = msgspec.json.encode(value).decode()
        row[name] = value
    return row


class SqliteStore:
    """The archive in the file `path`; see `edge.archive.store.Store`. Several archivers may use one file.

    `make`: whether to make the tables in a file that is empty. The thread that first calls a method is the one that
    uses it.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self._path, self._make = path, make
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, and create it where it is missing; see `Store.open`."""
        self._connected()

    def write(self, batch: Batch[Any]) -> Written:
        """Write a batch; see `Store.write`."""
        written = Written()
        received = _now()
        with self._transaction() as connection:
            connection.executemany(_BOOT, [(device, boot, received, first) for device, boot, first in boots_of(batch)])
            written.events = self._all(connection, _EVENT, [_row(event, received) for event in batch.events], written)
            written.repeated = len(batch.events) - written.events - len(written.rejected)
            for info in batch.infos:
                first = 1 if info.live else None
                payload = bytes(info.payload).decode()
                connection.execute(_INFO_BOOT, (info.device, info.boot_id, received, first, payload))
                for boot in info.ended:
                    counts = boot.events_decided, boot.events_waiting
                    connection.execute(_ENDED_BOOT, (*counts, info.device, boot.boot_id))
                who = info.name, info.version, info.model, info.source, info.boot_id
                connection.execute(_INFO_DEVICE, (info.device, received, *who))
            for status in batch.statuses:
                if connection.execute(_STATUS_DEVICE, (status.device, received, status.status)).rowcount > 0:
                    connection.execute(_STATUS, (status.device, received, status.status))
            for kind, records, sql in (("health", batch.healths, _HEALTH), ("state", batch.states, _STATE)):
                rows = [_row(record, received) for record in records]
                self._all(connection, sql, rows, written)
                self._all(connection, _LATEST.format(kind=kind), rows, written)
            self._all(connection, _SUMMARY, [_row(record, received) for record in batch.summaries], written)
        return written

    def delete_older(self, days: int, limit: int) -> int:
        """Delete old rows; see `Store.delete_older`."""
        now = datetime.datetime.now(datetime.UTC)
        before = _text(now - datetime.timedelta(days=days))
        deleted = 0
        with self._transaction() as connection:
            for table in RETAINED_TABLES:
                old = f"SELECT rowid FROM {table} WHERE received < ? ORDER BY received LIMIT ?"  # noqa: S608 - our names
                rows = [row for (row,) in connection.execute(old, (before, limit))]
                if not rows:
                    continue
                numbers = ",".join(map(str, rows))
                if table == "event":
                    connection.execute(
                        "UPDATE boot SET complete_from = MAX(COALESCE(complete_from, 0), gone.seq + 1) FROM "  # noqa: S608
                        f"(SELECT device, boot_id, MAX(seq) AS seq FROM event WHERE rowid IN ({numbers}) "
                        "GROUP BY device, boot_id) AS gone "
                        "WHERE gone.device = boot.device AND gone.boot_id = boot.boot_id"
                    )
                connection.execute(f"DELETE FROM {table} WHERE rowid IN ({numbers})")  # noqa: S608 - our names
                deleted += len(rows)
            connection.execute(
                "DELETE FROM boot WHERE received < ? AND NOT EXISTS (SELECT 1 FROM event AS e "
                "WHERE e.device = boot.device AND e.boot_id = boot.boot_id) "
                "AND NOT EXISTS (SELECT 1 FROM device AS d WHERE d.device = boot.device AND d.boot_id = boot.boot_id)",
                (before,),
            )
        return deleted

    def holes(self, since_seconds: float | None = None) -> Iterator[Hole]:
        """Yield holes; see `Store.holes`."""
        if since_seconds is None:
            yield from map(Hole._make, self._read(HOLES))
            return
        since = _text(datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=since_seconds))
        yield from map(Hole._make, self._read(RECENT_HOLES.format(since="?"), (since,)))

    def ends(self) -> Iterator[End]:
        """Yield the ends of boots; see `Store.ends`."""
        yield from map(End._make, self._read(ENDS))

    def events(
        self, since: datetime.datetime | None, until: datetime.datetime | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield events in blocks; see `Store.events`."""
        conditions = [("time >= ?", since), ("time < ?", until)]
        given = [(condition, _text(time)) for condition, time in conditions if time is not None]
        where = " AND ".join(condition for condition, _ in given) or "1"
        columns = ", ".join(EVENT_COLUMNS)
        rows = self._read(
            f"SELECT {columns} FROM event WHERE {where} ORDER BY time, device, boot_id, seq",  # noqa: S608 - our names
            tuple(time for _, time in given),
        )
        block = []
        for row in rows:
            block.append(_read_row(row))
            if len(block) == _BLOCK_ROWS:
                yield block
                block = []
        if block:
            yield block

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _all(self, connection: sqlite3.Connection, sql: str, rows: list[dict[str, Any]], written: Written) -> int:
        """Execute a statement for each of the rows; return how many rows it has changed.

        A number that no column can hold, or a text that is none, is the fault of its record alone.
        """
        changed = 0
        for row in rows:
            try:
                changed += connection.execute(sql, row).rowcount
            except (OverflowError, UnicodeError, sqlite3.IntegrityError, sqlite3.DataError) as error:
                written.rejected.append(f"{row['device']}: {error}")
        return changed

    def _read(self, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connected().execute(sql, parameters)
        except sqlite3.Error as error:
            raise self._away(error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connected()
            with _locked(connection):
                yield connection
        except sqlite3.Error as error:
            raise self._away(error) from error

    def _away(self, error: sqlite3.Error) -> StoreAwayError:
        self.close()
        return StoreAwayError(f"{self._path}: {error}")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._connect()
            try:
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            # Created here, because SQLite would create it for everyone to read.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _PRIVATE))
        except OSError as error:
            raise ArchiveError(
                f"archive.store (--store) {self._path} cannot be opened ({error.strerror}): it must be a file that "
                "this user can write, in a folder that exists"
            ) from error
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # A commit is on the disk before its messages are acknowledged.
            _use_wal(connection)
            for pragma in ("synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            connection.close()
            raise StoreAwayError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            connection.close()
            raise ArchiveError(
                f"archive.store (--store) {self._path} is no SQLite file ({error}): name another one, or move it away"
            ) from error
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the schema up to date, under the lock that writers have. Raises ArchiveError for a newer one."""
        try:
            with _locked(connection):
                # Another archiver may have done it while this one waited for the lock.
                _apply(connection.execute, self._path, make=self._make)
        except sqlite3.OperationalError as error:
            raise StoreAwayError(f"{self._path}: {error}") from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait where another one that opens a new file does the same."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(_WAL_RETRY_SECONDS)
        else:
            return


@contextlib.contextmanager
def _locked(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the lock that writers have, in a transaction that an error takes back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _apply(execute: Callable[..., sqlite3.Cursor], path: Path, *, make: bool) -> None:
    tables = {name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and VERSION_TABLE not in tables:
        raise ArchiveError(
            f"archive.store (--store) {path} is an SQLite file of something else, such as the outbox of a sensor: "
            "name another one"
        )
    if not tables and not make:
        raise ArchiveError(f"there is no archive in {path}, which is empty: --store names another file")
    execute(
        f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (number integer PRIMARY KEY, name text, applied text NOT NULL)"
    )
    ((applied,),) = execute(f"SELECT COALESCE(MAX(number), 0) FROM {VERSION_TABLE}")  # noqa: S608 - our name
    if applied > newest("sqlite"):
        raise ArchiveError(
            f"{path} has version {applied} of the archive's schema, and this program knows version {newest('sqlite')}: "
            "a newer emotion-edge has made it, so install that"
        )
    for migration in pending("sqlite", applied):
        statement = ""
        for line in migration.sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                execute(statement)
                statement = ""
        execute(f"INSERT INTO {VERSION_TABLE} VALUES (?, ?, ?)", (migration.number, migration.name, _now()))  # noqa: S608


def _read_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of events as `Store.events` gives it."""
    named = dict(zip(EVENT_COLUMNS, row, strict=True))
    for name in ("time", "received"):
        named[name] = datetime.datetime.fromisoformat(named[name])
    named["zones"] = msgspec.json.decode(named["zones"])
    for name in ("replayed", "clock_synchronised"):
        named[name] = bool(named[name])
    return tuple(named.values())
