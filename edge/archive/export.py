"""Writes the events of the archive to a file for analysis, in blocks, so that memory does not grow with them."""

import csv
import datetime
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.archive.parquet import write_parquet
from edge.archive.store import EVENT_COLUMNS, Store
from edge.errors import ArchiveError, ConfigError
from edge.system.files import replace_file

Rows = Iterable[list[tuple[Any, ...]]]


def check_export(path: Path) -> None:
    """Raise ConfigError where no form of export has the file's suffix."""
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"--export {path} has a suffix that is no form of an export: use .parquet or .csv")


def export_events(
    store: Store, path: Path, since: datetime.datetime | None = None, until: datetime.datetime | None = None
) -> int:
    """Write the events of a time, `until` excluded, by time; return how many. No reader ever finds a part of the file.

    Raises ConfigError, ArchiveError, and StoreAwayError of the store.
    """
    check_export(path)
    write = _WRITERS[path.suffix.lower()]
    count = 0

    def counted() -> Rows:
        nonlocal count
        for block in store.events(since, until):
            count += len(block)
            yield block

    def to(partial: Path) -> None:
        try:
            write(partial, counted())
        except BaseException:
            if partial != path:
                partial.unlink(missing_ok=True)
            raise

    try:
        replace_file(path, to)
    except OSError as error:
        raise ArchiveError(f"--export {path} cannot be written ({error.strerror or error})") from error
    return count


def _write_csv(path: Path, blocks: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(EVENT_COLUMNS)
        for block in blocks:
            writer.writerows([_text(value) for value in row] for row in block)


def _text(value: object) -> object:
    """Return a value as the CSV has it: times as in events, lists as JSON, truth as in JSON, nothing as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case list():
            return msgspec.json.encode(value).decode()
    return value


_WRITERS: Final[dict[str, Callable[[Path, Rows], None]]] = {".csv": _write_csv, ".parquet": write_parquet}


def parse_time(text: str, option: str) -> datetime.datetime:
    """Return the time that an option names: a day, or a time as in RFC 3339; without an offset in UTC.

    Raises ConfigError.
    """
    try:
        time = datetime.datetime.fromisoformat(text)
        time = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
        return time.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} is {text!r}, but must be a day or a time, as in 2026-11-20 or 2026-11-20T09:30:00Z"
        ) from None
