"""Addresses of databases: what is one, and that no password is taken or repeated."""

from pathlib import Path

import pytest

from edge.config.archive_schema import StoreAddress, parse_store
from edge.config.loader import load
from edge.errors import ConfigError
from support.fuzzing import SECRET


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("archive.sqlite3", Path("archive.sqlite3")),
        ("/srv/a b.db", Path("/srv/a b.db")),
        ("sqlite:///a.db", Path("a.db")),
        ("sqlite:////srv/a%20b.db", Path("/srv/a b.db")),
        ("", Path("/default")),
    ],
)
def test_path_of_a_file(text: str, path: Path) -> None:
    assert parse_store(text, Path("/default")) == StoreAddress(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://archive@db.local:5433/emotions", "PostgreSQL at db.local, emotions"),
        ("postgres:///emotions?host=/run/postgresql", "PostgreSQL at this machine, emotions"),
        ("postgresql://?service=central", "PostgreSQL at this machine, default database"),
        ("postgresql://db:5432/emotions", "PostgreSQL at db, emotions"),
    ],
)
def test_url_of_postgresql(text: str, shown: str) -> None:
    address = parse_store(text)
    assert (address.url, address.path, str(address)) == (text, None, shown)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://archive:{SECRET}@db.local/emotions",
        f"postgresql://archive:{SECRET}/@x@db.local/emotions",
        f"postgresql://archive@db.local/emotions?password={SECRET}",
        f"postgresql://archive@db.local/emotions?a=b&PASSWORD={SECRET}",
        f"postgresql://archive@db.local/emotions?sslpassword={SECRET}",
        f"postgres://:{SECRET}@db.local/emotions",
    ],
)
def test_password_is_refused_in_one_sentence_that_does_not_repeat_it(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must hold no password.*PGPASSWORD.*pgpass") as refusal:
        parse_store(text)
    assert SECRET not in str(refusal.value)
    file = tmp_path / "config.toml"
    file.write_text(f'[archive]\nstore = "{text}"\n')
    with pytest.raises(ConfigError, match="must hold no password") as refusal:
        load(file, environ={})
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("text", ["mysql://db/emotions", "sqlite://", "sqlite:///", "sqlite://host/a.db", "http://x"])
def test_other_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"archive\.store \(--store\) is .* but must be"):
        parse_store(text)


@pytest.mark.parametrize("text", [f"host=db password={SECRET} dbname=x", f" password = {SECRET}", "service=central"])
def test_keys_of_libpq_are_no_name_of_a_file(text: str) -> None:
    with pytest.raises(ConfigError, match=r"must be postgresql://HOST/NAME; a file .* is \./NAME") as refusal:
        parse_store(text)
    assert SECRET not in str(refusal.value)
    assert parse_store(f"./{text}").path == Path(text)


def test_no_folder_and_no_store_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"archive\.store is empty.*name a database"):
        parse_store("")
