"""Helpers of the archive's tests: batches of made-up messages, an archiver as a process, and looks into a database."""

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge.archive.batch import Batch
from edge.archive.records import read_message
from edge.messages.payloads import EventPayload, encode
from edge.messages.summary import PeriodSummary, SummaryPayload
from edge.messages.topics import DeviceTopic, Kind
from support import program
from support.mqtt import TIMEOUT_SECONDS, Subscriber, event, wait_until
from support.postgres import PrivatePostgres

RANGE_SQL = "SELECT device, boot_id, seq FROM event ORDER BY device, boot_id, seq"


def batch_of(*messages: tuple[str, Kind, bytes], retained: bool = False) -> Batch[Any]:
    """Return a batch of messages: device, kind, payload."""
    batch: Batch[Any] = Batch()
    for device, kind, payload in messages:
        for record in read_message(DeviceTopic(device, kind), payload, retained=retained):
            batch.add(record)
    return batch


def events_batch(device: str, *seqs: int, boot_id: str = "boot", **changes: Any) -> Batch[Any]:
    return batch_of(*((device, "event", encode(event(seq, boot_id=boot_id, **changes))) for seq in seqs))


def summary(time: str, visits: int) -> SummaryPayload:
    """Return a summary of an hour and a day with so many visits."""

    def period(start: str, end: str) -> PeriodSummary:
        return PeriodSummary(
            start=start,
            end=end,
            local_start="2026-01-31T09:00:00+01:00",
            complete=False,
            looked_seconds=900.0,
            not_looked_seconds=0.0,
            off_seconds=0.0,
            present_seconds=60.0,
            visits=visits,
            visit_lengths={"short": visits},
            emotion_seconds={"happy": 30.0, "neutral": None},
            group_seconds={},
            valence=0.5,
        )

    return SummaryPayload(
        time=time,
        min_visits=5,
        hour=period("2026-01-31T08:00:00.000Z", "2026-01-31T09:00:00.000Z"),
        day=period("2026-01-30T23:00:00.000Z", "2026-01-31T23:00:00.000Z"),
        last_hour=None,
        last_day=None,
    )


class Database:
    """Looks into the database of a store, beside the program. `store`: value for `--store`."""

    def __init__(self, store: str, postgres: PrivatePostgres | None = None) -> None:
        self.store = store
        self._postgres = postgres

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if self._postgres is not None:
            return self._postgres.execute(sql, database=urlsplit(self.store).path[1:])
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    def seqs(self, device: str = "cam") -> list[int]:
        try:
            rows = self.rows(RANGE_SQL)
        except Exception as error:
            if "event" not in str(error):
                raise
            return []  # no table yet
        return [seq for name, _, seq in rows if name == device]

    def wait(self, *seqs: int, device: str = "cam") -> None:
        """Wait until the table has exactly these events of a device."""
        wait_until(lambda: self.seqs(device) == sorted(seqs))


class Archiver:
    """`emotion-edge archive` as a process; the log goes to a file in `folder`."""

    def __init__(self, folder: Path, *arguments: object, **environment: str) -> None:
        self.log_file = folder / f"archiver-{time.monotonic_ns()}.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*program.COMMAND, "archive", *map(str, arguments)],
                stdout=subprocess.DEVNULL,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=program.environment(**environment),
            )

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the log has a text."""
        wait_until(lambda: self.log().count(text) >= times or self._ended())

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.log()
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        """End it with SIGTERM, which must be clean; return its log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT_SECONDS) == 0, self.log()
        return self.log()


@contextmanager
def archiving(folder: Path, url: str, store: str, *arguments: object, **environment: str) -> Iterator[Archiver]:
    """Run an archiver, and yield once it is subscribed."""
    archiver = Archiver(folder, "--mqtt", url, "--store", store, *arguments, **environment)
    try:
        archiver.wait_for("connected to the broker")
        yield archiver
    finally:
        archiver.kill()


def publish_events(publisher: Subscriber, *payloads: EventPayload, device: str = "cam") -> None:
    for payload in payloads:
        publisher.publish(f"emotion-edge/{device}/event", encode(payload))
