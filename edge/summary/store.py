"""Stores tallies in a SQLite file: minutes of two days, and hours of the time before.

The file is opened for each write, once an hour, and closed again, so that `emotion-edge summary` can read it meanwhile.
It is not the outbox's file: that one is locked as long as the sensor runs, is removed where it fills its disk, and is
written to for each event while the broker is away.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from edge.messages.event_time import STEP_SECONDS
from edge.summary.history import MEMORY_CELLS, PlacedCell
from edge.summary.local_time import LocalTime
from edge.summary.tally import Tally, decode_tally, encode_tally

MINUTES_KEPT: Final = 2_880
"""Minutes that are kept: two days of them. Older ones are added to the hours that they belong to."""
HOURS_A_DAY: Final = 25
"""Hours that a day has at most: of which the number of kept days makes the number of kept rows."""
_APPLICATION_ID: Final = 0x656D5375  # "emSu"
_VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0
"""How long a write waits for a reader. Reading all rows takes a tenth of a second on a slow board."""
_SCHEMA: Final = (
    *(
        f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, boot TEXT NOT NULL, start REAL NOT NULL, "
        "length REAL NOT NULL, unix REAL NOT NULL, tally BLOB NOT NULL)"
        for table in ("minutes", "hours")
    ),
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)
_MINUTES: Final = "SELECT boot, start, length, unix, tally FROM minutes ORDER BY number"
_NEWEST: Final = "SELECT boot, start, length, unix, tally FROM minutes ORDER BY number DESC LIMIT ?"
_OLDEST: Final = "SELECT number, boot, start, length, unix, tally FROM minutes ORDER BY number LIMIT ?"
_HOURS: Final = "SELECT boot, start, length, unix, tally FROM hours ORDER BY number"
_INSERT: Final = {
    "minutes": "INSERT INTO minutes (boot, start, length, unix, tally) VALUES (?, ?, ?, ?, ?)",
    "hours": "INSERT INTO hours (boot, start, length, unix, tally) VALUES (?, ?, ?, ?, ?)",
}
_MOVE: Final = (
    "UPDATE minutes SET unix = start + :offset WHERE boot = :boot AND abs(unix - start - :offset) >= :step",
    "UPDATE hours SET unix = start + :offset WHERE boot = :boot AND abs(unix - start - :offset) >= :step",
)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE_MASK: Final = 0xFF  # the low byte of an extended result code


class SummaryFileError(Exception):
    """The file cannot be used; the message names it and the reason."""


class DamagedFileError(SummaryFileError):
    """The file holds something else than summaries, or is damaged."""


class SummaryStore:
    """Tallies in `file`, which is created where it does not exist. Every method raises SummaryFileError.

    `hours_kept`: rows of hours above which the oldest are deleted. `connect`: opens a database, as `sqlite3.connect`.
    """

    def __init__(
        self, file: Path, hours_kept: int, connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    ) -> None:
        self.file = file
        self._hours_kept = hours_kept
        self._connect = connect

    def load(self) -> list[PlacedCell]:
        """Return the newest minutes, oldest first; none where there is no file."""
        if not self.file.exists():
            return []
        with self._opened(write=False) as connection:
            return _rows(connection, _NEWEST, MEMORY_CELLS)[::-1]

    def load_all(self) -> tuple[list[PlacedCell], list[PlacedCell]]:
        """Return all minutes and all hours, oldest first. Raises FileNotFoundError where there is no file."""
        self.file.stat()
        with self._opened(write=False) as connection:
            return _rows(connection, _MINUTES), _rows(connection, _HOURS)

    def write(self, cells: Sequence[PlacedCell], boot: str, offset: float, local: LocalTime) -> None:
        """Add minutes in one transaction, which is on the disk on return.

        What this start of the machine, `boot`, has stored before moves to where it belongs by `offset`, the time of day
        less the clock that no step changes. Old minutes become hours by `local`; the oldest hours are deleted.
        """
        with self._opened(write=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _MOVE:
                connection.execute(statement, {"offset": offset, "boot": boot, "step": STEP_SECONDS})
            _insert(connection, "minutes", cells)
            self._fold(connection, local)
            connection.execute(
                "DELETE FROM hours WHERE number <= (SELECT max(number) FROM hours) - ?", (self._hours_kept,)
            )
            connection.execute("COMMIT")

    def set_aside(self) -> Path:
        """Rename the file, so that an expert may still look into it; return the new name."""
        target = self.file.with_name(f"{self.file.name}.bad")
        try:
            self.file.replace(target)
        except OSError as error:
            raise SummaryFileError(f"{self.file} cannot be renamed ({error.strerror})") from error
        return target

    def _fold(self, connection: sqlite3.Connection, local: LocalTime) -> None:
        """Add the minutes above the number that is kept to hours: a row for each hour of each start of the machine."""
        (count,) = connection.execute("SELECT count(*) FROM minutes").fetchone()
        if count <= MINUTES_KEPT:
            return
        rows = connection.execute(_OLDEST, (count - MINUTES_KEPT,)).fetchall()
        cells = [_cell(row[1:]) for row in rows]
        _insert(connection, "hours", fold(cells, local))
        connection.execute("DELETE FROM minutes WHERE number <= ?", (rows[-1][0],))

    @contextlib.contextmanager
    def _opened(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # SQLite would make it readable for every user, but it holds when somebody was there.
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            # Also to read: what a kill has left in the middle of a write is undone by the next one who opens the file,
            # and for that it must be writable.
            mode = "rw" if write or os.access(self.file, os.W_OK) else "ro"
            uri = f"{self.file.absolute().as_uri()}?mode={mode}"
            with closing(self._connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                self._check(connection, write=write)
                yield connection
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE_MASK
            kind = DamagedFileError if code in _DAMAGED else SummaryFileError
            raise kind(f"{self.file} cannot be {'written to' if write else 'read'} ({error})") from error
        except OSError as error:
            raise SummaryFileError(f"{self.file} cannot be used ({error.strerror or error})") from error

    def _check(self, connection: sqlite3.Connection, *, write: bool) -> None:
        """Check that the file holds summaries; create the tables where it is empty."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0) and write:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        elif application != _APPLICATION_ID:
            raise DamagedFileError(f"{self.file} holds no summaries, but something else")
        elif version != _VERSION:
            raise DamagedFileError(f"{self.file} has version {version}, this program supports version {_VERSION}")
        # A power cut must not take what was committed an hour ago.
        connection.execute("PRAGMA synchronous = FULL")


def fold(cells: Sequence[PlacedCell], local: LocalTime) -> list[PlacedCell]:
    """Add up cells that follow each other in one hour of one start of the machine."""
    hours: dict[tuple[str, float], PlacedCell] = {}
    for cell in cells:
        key = (cell.boot, local.hour(cell.middle)[0])
        known = hours.get(key)
        if known is None:
            known = hours[key] = PlacedCell(cell.boot, cell.start, cell.length, cell.unix, Tally())
        known.length = max(known.start + known.length, cell.start + cell.length) - known.start
        known.tally.add(cell.tally)
    return list(hours.values())


def _insert(connection: sqlite3.Connection, table: str, cells: Sequence[PlacedCell]) -> None:
    connection.executemany(
        _INSERT[table], [(cell.boot, cell.start, cell.length, cell.unix, encode_tally(cell.tally)) for cell in cells]
    )


def _rows(connection: sqlite3.Connection, query: str, *values: object) -> list[PlacedCell]:
    return [_cell(row) for row in connection.execute(query, values)]


def _cell(row: Sequence[object]) -> PlacedCell:
    boot, start, length, unix, content = row
    try:
        tally = decode_tally(bytes(content))  # type: ignore[call-overload]
        return PlacedCell(str(boot), float(start), float(length), float(unix), tally)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        msg = f"a row is no summary: {error}"
        raise DamagedFileError(msg) from error
