"""`emotion-edge archive`: exit codes and sentences of the command, its gaps and its exports."""

import contextlib
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from edge import cli
from edge.archive.sqlite_store import SqliteStore
from support import program
from support.archive import events_batch
from support.mqtt import TIMEOUT_SECONDS, wait_until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    file = tmp_path / "a.sqlite3"
    store = SqliteStore(file)
    store.write(events_batch("cam", 1, 2, 5))
    store.close()
    return file


def test_gaps_are_printed_and_are_the_exit_code(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["archive", "--store", str(store), "--gaps"]) == 1
    assert capsys.readouterr().out == "cam boot boot: 3 to 4 missing\n2 event(s) missing, in 1 gap(s)\n"
    filled = SqliteStore(store)
    filled.write(events_batch("cam", 3, 4))
    filled.close()
    assert cli.main(["archive", "--store", str(store), "--gaps"]) == 0
    assert capsys.readouterr().out == "no event is missing\n"


def test_export_says_how_many(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.csv"
    assert cli.main(["archive", "--store", str(store), "--export", str(file), "--since", "2020-01-01"]) == 0
    assert capsys.readouterr().out == f"3 event(s) written to {file}\n"
    assert len(file.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "mqtt.url is empty: name the broker whose sensors are archived"),
        (["--store", "mysql://x/y", "--gaps"], 2, "archive.store (--store) is 'mysql://x/y', but must be"),
        (["--store", "missing.sqlite3", "--gaps"], 1, "there is no archive in missing.sqlite3"),
        (["--gaps"], 1, "archive.sqlite3: emotion-edge archive makes it"),
        (["--since", "2020-01-01"], 2, "--since and --until belong to --export FILE"),
        (["--export", "a.xlsx"], 2, "use .parquet or .csv"),
        (["--export", "a.csv", "--until", "now"], 2, "--until is 'now', but must be a day or a time"),
        (
            ["--export", "a.csv", "--since", "2026-02-01", "--until", "2026-01-31"],
            2,
            "--since 2026-02-01 must be before --until 2026-01-31",
        ),
        (["--name", "a b", "--mqtt", "mqtt://x"], 2, "archive.name is 'a b', but must be"),
        (["--mqtt", "mqtt://127.0.0.1:1", "--store", "/nonexistent/a.db"], 1, "cannot be opened (No such file"),
    ],
)
def test_mistake_is_one_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["archive", *arguments]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("psycopg", ["--store", "postgresql://x@127.0.0.1:1/y", "--gaps"], "[postgresql]"),
        ("pyarrow", ["--export", "a.parquet"], "[parquet]"),
    ],
)
def test_missing_package_is_one_sentence_that_says_how_to_install_it(
    module: str,
    arguments: list[str],
    extra: str,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    given = arguments if "--store" in arguments else ["--store", str(store), *arguments]
    assert cli.main(["archive", *given]) == 1
    error = capsys.readouterr().err
    assert f"needs the package {module}" in error
    assert extra in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "a.parquet").exists()


def test_database_that_is_away_ends_a_report_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg")
    assert cli.main(["archive", "--store", "postgresql://x@127.0.0.1:1/y", "--gaps"]) == 1
    error = capsys.readouterr().err
    assert "the database cannot be used: " in error
    assert len(error.splitlines()) == 1


@pytest.mark.long
def test_export_that_sigterm_ends_leaves_nothing_behind(store: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(event)")]
        columns = ", ".join("seq + 10 * n" if name == "seq" else name for name in names)
        connection.execute(
            "INSERT INTO event WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE "
            f"n < 100000) SELECT {columns} FROM event, numbers"
        )
    folder = tmp_path / "out"
    folder.mkdir()
    with program.start("archive", "--store", store, "--export", folder / "all.csv") as process:
        wait_until(lambda: list(folder.iterdir()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 130
    assert list(folder.iterdir()) == []
