"""Reads the migrations of the archive's schema: numbered files of SQL, for each kind of database."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

Dialect = Literal["sqlite", "postgresql"]

VERSION_TABLE: Final = "archive_version"
"""Table with the number of each migration that was applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number`: from 1 on, without a gap."""

    number: int
    name: str
    sql: str


def migrations(dialect: Dialect) -> list[Migration]:
    """Return all migrations of a database, in their order."""
    folder = files(__package__).joinpath(dialect)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [
        Migration(int(name[:4]), name[5:].removesuffix(".sql"), folder.joinpath(name).read_text(encoding="utf-8"))
        for name in names
    ]


def pending(dialect: Dialect, applied: int) -> list[Migration]:
    """Return the migrations behind number `applied`, in their order."""
    return [one for one in migrations(dialect) if one.number > applied]


def newest(dialect: Dialect) -> int:
    """Return the number of the last migration, which is the version of the schema that this program knows."""
    return migrations(dialect)[-1].number
