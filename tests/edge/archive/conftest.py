"""The databases in which the archive is tested: an SQLite file, and PostgreSQL, too slow for `make test`."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.archive.open import open_store
from edge.archive.store import Store
from edge.config.archive_schema import parse_store
from support.archive import Database

_NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database, without the schema."""
    if request.param == "sqlite":
        return Database(str(tmp_path / "archive.sqlite3"))
    postgres = request.getfixturevalue("postgres")
    return Database(postgres.create_database(f"archive_{next(_NUMBERS)}"), postgres)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """The store in `database`, open."""
    store = open_store(parse_store(database.store))
    store.open()
    yield store
    store.close()
