"""Keeps the archive in PostgreSQL: the store of many sensors. The only module that imports psycopg.

Passwords come from libpq's own places: PGPASSWORD, ~/.pgpass, a service file.
"""

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge.archive import postgresql_sql as sql
from edge.archive.batch import Batch
from edge.archive.gaps import End, Hole
from edge.archive.migrations import VERSION_TABLE, newest, pending
from edge.archive.queries import ENDS, HOLES, RECENT_HOLES, RETAINED_TABLES, boots_of
from edge.archive.queries import newest as newest_of
from edge.archive.records import HealthRecord, StateRecord
from edge.archive.store import EVENT_COLUMNS, StoreAwayError, Written
from edge.errors import ArchiveError, ConfigError
from edge.system.installation import how_to_install

if TYPE_CHECKING:
    import psycopg

_LOCK: Final = 0x65_64_67_65
"""Key of the advisory locks: "edge" in ASCII. The second key says what is locked."""
_MIGRATION, _DEVICES = range(2)
_BLOCK_ROWS: Final = 1000
_KNOWN_BOOTS: Final = 100_000
"""Boots that are known to be in the table, at most, so that an event costs no look for its boot."""
_DEFAULTS: Final = {
    "connect_timeout": "10",
    # A connection over which nothing comes back ends after half a minute, not after the kernel's quarter of an hour.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "emotion-edge archive",
}
_DATA: Final = ("22", "23", "54")
"""Classes of SQLSTATE that are the fault of a record: data exception, integrity, a limit exceeded."""


class PostgresqlStore:
    """The archive in the database at `url`; see `edge.archive.store.Store`. Any number of archivers may use it.

    `make`: whether to make the tables in a database without. Raises ArchiveError where the package psycopg is missing.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ArchiveError(
                f"archive.store (--store) is PostgreSQL, which needs the package psycopg ({error}): "
                f"{how_to_install('postgresql')}"
            ) from error
        self._psycopg = psycopg
        self._connection: psycopg.Connection[Any] | None = None
        self._opened, self._make = False, make
        self._boots: set[tuple[str, str]] = set()
        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ConfigError(f"archive.store (--store) cannot be read ({_reason(error)})") from None
        self._conninfo = psycopg.conninfo.make_conninfo("", **(_DEFAULTS | given))

    def open(self) -> None:
        """Connect; see `Store.open`. Before the first success, a refusal by a server that runs is an ArchiveError."""
        self._connected()

    def write(self, batch: Batch[Any]) -> Written:
        """Write a batch; see `Store.write`."""
        written = Written()
        boots = [boot for boot in boots_of(batch) if boot[:2] not in self._boots]
        # Events are locked in the order of their keys and everything else under one lock, so that archivers which write
        # the same wait for each other, and never in a circle.
        events = sorted(batch.events, key=lambda event: (event.device, event.boot_id, event.seq))
        with self._transaction() as connection:
            written.events = self._insert(connection, sql.EVENTS, events, written)
            written.repeated = len(events) - written.events - len(written.rejected)
            if boots or batch.infos or batch.statuses or batch.healths or batch.states or batch.summaries:
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, _DEVICES))
                keys = ("device", "boot_id", "complete_from")
                self._insert(connection, sql.BOOTS, [dict(zip(keys, boot, strict=True)) for boot in boots], written)
                self._write_devices(connection, batch, written)
        if len(self._boots) > _KNOWN_BOOTS:
            self._boots.clear()
        self._boots.update((device, boot_id) for device, boot_id, _ in boots)
        return written

    def _write_devices(self, connection: "psycopg.Connection[Any]", batch: Batch[Any], written: Written) -> None:
        infos = newest_of(batch.infos, lambda info: (info.device, info.boot_id))
        self._insert(connection, sql.INFO_BOOTS, infos, written)
        # In the order of arrival: the last one is the one that runs.
        self._insert(connection, sql.INFO_DEVICES, newest_of(batch.infos, lambda info: info.device), written)
        ended = {
            (info.device, boot.boot_id): {
                "device": info.device,
                "boot_id": boot.boot_id,
                "decided": boot.events_decided,
                "waiting": boot.events_waiting,
            }
            for info in batch.infos
            for boot in info.ended
        }
        self._insert(connection, sql.ENDED_BOOTS, list(ended.values()), written)
        for status in batch.statuses:
            connection.execute(sql.STATUS, (status.device, status.status))
        self._insert(connection, sql.HEALTHS, batch.healths, written)
        self._insert(connection, sql.LATEST_HEALTH, _last_of(batch.healths), written)
        self._insert(connection, sql.STATES, batch.states, written)
        self._insert(connection, sql.LATEST_STATE, _last_of(batch.states), written)
        periods = sorted(batch.summaries, key=lambda record: record.time)
        periods = newest_of(periods, lambda record: (record.device, record.period, record.start))
        self._insert(connection, sql.SUMMARIES, periods, written)

    def delete_older(self, days: int, limit: int) -> int:
        """Delete old rows; see `Store.delete_older`."""
        deleted = 0
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, _DEVICES))
            for table in RETAINED_TABLES:
                if table == "event":
                    ((count,),) = connection.execute(sql.OLD_EVENTS, (days, limit))
                    deleted += count
                else:
                    deleted += connection.execute(sql.OLD_ROWS.format(table=table), (days, limit)).rowcount
            if not deleted:
                connection.execute(sql.OLD_BOOTS, (days,))
                # Forgotten here as well: an event that a sensor sends late makes its boot anew.
                self._boots.clear()
        return deleted

    def holes(self, since_seconds: float | None = None) -> Iterator[Hole]:
        """Yield holes; see `Store.holes`."""
        if since_seconds is None:
            rows = self._read(HOLES)
        else:
            rows = self._read(RECENT_HOLES.format(since="now() - make_interval(secs => %s)"), (since_seconds,))
        for block in rows:
            yield from map(Hole._make, block)

    def ends(self) -> Iterator[End]:
        """Yield the ends of boots; see `Store.ends`."""
        for block in self._read(ENDS):
            yield from map(End._make, block)

    def events(
        self, since: datetime.datetime | None, until: datetime.datetime | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield events in blocks; see `Store.events`."""
        conditions = [("time >= %s", since), ("time < %s", until)]
        given = [(condition, time) for condition, time in conditions if time is not None]
        where = " AND ".join(condition for condition, _ in given) or "true"
        columns = ", ".join("payload::text" if name == "payload" else name for name in EVENT_COLUMNS)
        yield from self._read(
            f"SELECT {columns} FROM event WHERE {where} ORDER BY time, device, boot_id, seq",  # noqa: S608 - our names
            tuple(time for _, time in given),
        )

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(self._psycopg.Error):
                connection.close()

    def _insert(
        self, connection: "psycopg.Connection[Any]", statement: str, records: Sequence[Any], written: Written
    ) -> int:
        """Execute a statement for all records at once; return how many rows it has changed.

        Where the database does not take one of them, halves are tried, down to that one.
        """
        if not records:
            return 0
        try:
            with connection.transaction():
                given = msgspec.json.encode(records).decode()
                return connection.execute(statement, (given,)).rowcount
        except self._psycopg.Error as error:
            if (error.sqlstate or "")[:2] not in _DATA:
                raise
            if len(records) == 1:
                written.rejected.append(_reason(error))
                return 0
        half = len(records) // 2
        return self._insert(connection, statement, records[:half], written) + self._insert(
            connection, statement, records[half:], written
        )

    def _read(self, statement: str, parameters: tuple[Any, ...] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in blocks; the server keeps the rest."""
        with (
            self._transaction() as connection,
            connection.cursor("emotion_edge") as cursor,
        ):
            cursor.itersize = _BLOCK_ROWS
            cursor.execute(statement, parameters)
            while block := cursor.fetchmany(_BLOCK_ROWS):
                yield block

    @contextlib.contextmanager
    def _transaction(self) -> Iterator["psycopg.Connection[Any]"]:
        try:
            connection = self._connected()
            with connection.transaction():
                yield connection
        except self._psycopg.Error as error:
            self.close()
            raise StoreAwayError(_reason(error)) from error

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is not None:
            return self._connection
        try:
            # A pooler in front of the database may give each transaction another connection: nothing is prepared.
            connection = self._psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        except self._psycopg.Error as error:
            if not self._opened and self._ping() == self._psycopg.pq.Ping.OK:
                raise ArchiveError(f"the database of archive.store (--store) refuses: {_reason(error)}") from error
            raise StoreAwayError(_reason(error)) from error
        try:
            connection.execute("SET timezone = 'UTC'")
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, _MIGRATION))
                _migrate(connection.execute, make=self._make)
        except self._psycopg.errors.InsufficientPrivilege as error:
            connection.close()
            reason = f"this user may not make tables in the database ({_reason(error)}): let it own the database"
            raise (StoreAwayError(reason) if self._opened else ArchiveError(reason)) from error
        except (self._psycopg.errors.DuplicateTable, self._psycopg.errors.DuplicateObject) as error:
            connection.close()
            raise ArchiveError(
                f"the database of archive.store (--store) has something else of the same name ({_reason(error)}): give "
                "the archive a database of its own"
            ) from error
        except self._psycopg.Error as error:
            connection.close()
            raise StoreAwayError(_reason(error)) from error
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened = connection, True
        return connection

    def _ping(self) -> int:
        """Ask the server whether it takes connections at all; it answers that to anybody."""
        return self._psycopg.pq.PGconn.ping(self._conninfo.encode())


def _last_of(samples: Sequence[HealthRecord | StateRecord]) -> list[HealthRecord | StateRecord]:
    """Return the last sample of each device."""
    return newest_of(sorted(samples, key=lambda sample: sample.time), lambda sample: sample.device)


def _migrate(execute: Callable[..., Any], *, make: bool) -> None:
    """Bring the schema up to date, in a transaction that holds the lock.

    Raises ArchiveError for a newer schema, and where there is none and `make` is false.
    """
    # Without a look for it first, a user who may not make tables could not use those that are there.
    ((exists,),) = execute("SELECT to_regclass(%s) IS NOT NULL", (VERSION_TABLE,))
    if not exists and not make:
        raise ArchiveError(
            "there is no archive in the database of archive.store (--store): emotion-edge archive makes it"
        )
    if not exists:
        execute(
            f"CREATE TABLE {VERSION_TABLE} (number integer PRIMARY KEY, name text NOT NULL, "
            "applied timestamptz NOT NULL DEFAULT now())"
        )
    ((applied,),) = execute(f"SELECT coalesce(max(number), 0) FROM {VERSION_TABLE}")  # noqa: S608 - our name
    if applied > newest("postgresql"):
        raise ArchiveError(
            f"the database has version {applied} of the archive's schema, and this program knows version "
            f"{newest('postgresql')}: a newer emotion-edge has made it, so install that"
        )
    for migration in pending("postgresql", applied):
        execute(migration.sql)
        execute(f"INSERT INTO {VERSION_TABLE} VALUES (%s, %s)", (migration.number, migration.name))  # noqa: S608


def _reason(error: Exception) -> str:
    """Return the first line of an error, which is what happened; hints and positions follow."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
