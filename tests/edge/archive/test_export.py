"""Exports: what is in the files, their time, and that no reader finds a part."""

import csv
import datetime
from pathlib import Path

import msgspec
import pytest

from edge.archive.export import export_events, parse_time
from edge.archive.store import EVENT_COLUMNS, Store, StoreAwayError
from edge.errors import ArchiveError, ConfigError
from support.archive import events_batch
from support.mqtt import event


def filled(store: Store) -> Store:
    for seq in range(1, 2501, 500):
        store.write(events_batch("cam", *range(seq, seq + 500), time=f"2026-01-3{seq // 1250}T08:15:00.250Z"))
    return store


def test_csv_has_every_event_with_its_payload(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert export_events(filled(store), file) == 2500
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(EVENT_COLUMNS)
    assert sorted(int(row["seq"]) for row in rows) == list(range(1, 2501))
    first = rows[0]
    assert (first["time"], first["zones"], first["replayed"]) == ("2026-01-30T08:15:00.250Z", "[]", "false")
    assert msgspec.json.decode(first["payload"])["probabilities"] == {"happy": 0.9, "neutral": 0.1}


def test_parquet_has_every_event_with_its_types(store: Store, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "out.parquet"
    assert export_events(filled(store), file) == 2500
    table = parquet.read_table(file)
    assert table.column_names == list(EVENT_COLUMNS)
    assert sorted(table["seq"].to_pylist()) == list(range(1, 2501))
    assert table["time"][0].as_py() == datetime.datetime(2026, 1, 30, 8, 15, 0, 250_000, datetime.UTC)
    assert table["zones"][0].as_py() == []
    assert msgspec.json.decode(table["payload"][0].as_py())["leader"] == event(1).leader


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_of_a_time_leaves_its_end_out(store: Store, tmp_path: Path, suffix: str) -> None:
    filled(store)
    since, until = parse_time("2026-01-31", "--since"), parse_time("2026-02-01", "--until")
    assert export_events(store, tmp_path / f"out{suffix}", since, until) == 1000
    assert export_events(store, tmp_path / f"out{suffix}", until, None) == 0
    assert (tmp_path / f"out{suffix}").stat().st_size > 0


class _FailingStore:
    def events(self, *_: object):
        yield []
        raise StoreAwayError("gone")


def test_export_that_fails_leaves_the_file_before_it_and_no_part(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("before")
    with pytest.raises(StoreAwayError):
        export_events(_FailingStore(), file)  # type: ignore[arg-type]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "before")]


def test_export_that_cannot_be_written_is_one_sentence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"--export .*missing.out\.csv cannot be written \(No such file"):
        export_events(store, tmp_path / "missing" / "out.csv")
    with pytest.raises(ConfigError, match=r"suffix that is no form of an export: use \.parquet or \.csv"):
        export_events(store, tmp_path / "out.xlsx")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00+00:00"),
        ("2026-11-20T09:30:00+02:00", "2026-11-20T07:30:00+00:00"),
        ("2026-11-20 09:30", "2026-11-20T09:30:00+00:00"),
    ],
)
def test_time_without_an_offset_is_utc(text: str, iso: str) -> None:
    assert parse_time(text, "--since").isoformat() == iso


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+10:00", ""])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--since is .* but must be a day or a time, as in 2026-11-20"):
        parse_time(text, "--since")
