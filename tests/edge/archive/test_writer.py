"""The writer's thread: outages of the database, what the log says of it, retention, and its end."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.archive.sqlite_store import SqliteStore
from edge.archive.store import StoreAwayError, Written
from edge.archive.writer import Writer
from edge.errors import ArchiveError
from support.archive import Database, events_batch
from support.mqtt import TIMEOUT_SECONDS, wait_until

MakeWriter = Callable[..., Writer]


class AwayStore:
    """A store that is away so many times, and then takes everything."""

    def __init__(self, opens: int = 0, writes: int = 0, error: Exception | None = None) -> None:
        self.left = {"open": opens, "write": writes}
        self.error = error or StoreAwayError("connection refused")
        self.closed = threading.Event()

    def _try(self, what: str) -> None:
        if self.left[what]:
            self.left[what] -= 1
            raise self.error

    def open(self) -> None:
        self._try("open")

    def write(self, batch: Any) -> Written:
        self._try("write")
        return Written(events=len(batch.events))

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def make_writer(caplog: pytest.LogCaptureFixture) -> Iterator[MakeWriter]:
    """Make writers, not started yet; end their threads after the test."""
    caplog.set_level(logging.INFO)
    writers: list[Writer] = []

    def make(store: Any, keep_days: int = 0, **seconds: float) -> Writer:
        writers.append(Writer(store, keep_days, lambda: None, **seconds))
        return writers[-1]

    yield make
    for writer in writers:
        writer.stop()
        writer.join(TIMEOUT_SECONDS)


def test_batch_is_done_once_the_database_is_back_and_the_log_says_so_once(
    make_writer: MakeWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer = make_writer(AwayStore(opens=1, writes=2))
    writer.start()
    assert writer.away
    batch = events_batch("cam", 1, 2)
    writer.submit(batch)
    assert not writer.idle
    wait_until(lambda: writer.idle)
    assert (writer.take_done(), writer.take_done(), writer.away) == ([batch], [], False)
    assert writer.stored.events == 2
    assert [message.partition(":")[0].partition(" after ")[0] for message in caplog.messages].count(
        "the database cannot be used"
    ) == caplog.text.count("the database is back")


def test_stop_does_not_wait_for_a_database_that_is_away(make_writer: MakeWriter) -> None:
    store = AwayStore(writes=1_000_000)
    writer = make_writer(store)
    writer.start()
    writer.submit(events_batch("cam", 1))
    wait_until(lambda: writer.away)
    writer.stop()
    assert store.closed.wait(TIMEOUT_SECONDS)
    assert writer.take_done() == []


def test_database_that_can_never_be_used_ends_the_start(make_writer: MakeWriter) -> None:
    with pytest.raises(ArchiveError, match="a newer schema"):
        make_writer(AwayStore(opens=1, error=ArchiveError("a newer schema"))).start()


def test_bug_of_a_store_ends_the_thread_and_is_kept_for_its_owner(make_writer: MakeWriter) -> None:
    writer = make_writer(AwayStore(writes=1, error=ZeroDivisionError()))
    writer.start()
    writer.submit(events_batch("cam", 1))
    wait_until(lambda: writer.failure is not None)
    assert isinstance(writer.failure, ZeroDivisionError)


def test_log_says_what_was_stored_and_what_is_missing(
    make_writer: MakeWriter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = make_writer(SqliteStore(tmp_path / "a.sqlite3"), report_seconds=0.01)
    writer.start()
    writer.submit(events_batch("cam", 1, 2, 5))
    wait_until(lambda: "2 missing: emotion-edge archive --gaps lists them" in caplog.text)
    assert "3 event(s) stored in " in caplog.text


def test_rows_that_are_too_old_are_deleted_however_many_they_are(make_writer: MakeWriter, tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite3"
    store = SqliteStore(file)
    store.write(events_batch("cam", *range(1, 2601)))
    store.close()
    database = Database(str(file))
    database.rows("UPDATE event SET received = '2020-01-01T00:00:00.000Z' WHERE seq <= 2500")
    make_writer(SqliteStore(file), keep_days=30).start()
    wait_until(lambda: len(database.seqs()) == 100)
    assert database.seqs() == list(range(2501, 2601))
