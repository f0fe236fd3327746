"""Covers the event queue with its file against a simple model of both (stateful property test)."""

import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.messages.payloads import encode
from edge.mqtt.outbox.queue import DiskWork, EventQueue
from edge.mqtt.outbox.store import NewRow, Store, StoreError
from support.mqtt import event

BOUND = 10
AGE_SECONDS = 100.0
MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108
"""A folder in memory: these are thousands of commits, and a busy disk takes seconds for each."""


@dataclass(eq=False)
class Known:
    """An event of the model."""

    boot: str
    seq: int
    taken: float
    late: bool
    taken_on_disk: float = 0.0
    saved: bool = False
    mid: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.boot, self.seq


class EventQueueMachine(RuleBasedStateMachine):
    """An event queue and its file beside the model: a list of events and a list of the rows on disk."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="emotion-edge-outbox-", dir=MEMORY))
        self.now = 1000.0
        self.run = 0
        self.kept: list[Known] = []
        self.disk: list[Known] = []
        self.clock_on_disk = self.now
        self.start("run-0")

    def start(self, name: str) -> None:
        self.queue = EventQueue(BOUND, AGE_SECONDS)
        self.store = Store(self.folder / name / "outbox.sqlite3", lambda: self.now, self.connect)
        self.queue.reconcile(self.store.open())
        self.boot = name
        self.seq = self.mid = self.dropped = 0

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """Open the database as the store would, and keep the connection."""
        self.database = sqlite3.connect(*arguments, **options)
        return self.database

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def waiting(self) -> list[Known]:
        return [known for known in self.kept if known.mid is None]

    def drop(self, known: Known) -> None:
        self.kept.remove(known)
        self.dropped += 1

    @rule(connected=st.booleans(), gap=st.integers(1, 3))
    def add(self, *, connected: bool, gap: int) -> None:
        self.seq += gap
        waiting = self.waiting()
        late = not connected or (bool(waiting) and waiting[-1].late)
        self.queue.add(event(self.seq, boot_id=self.boot), 0.0, self.now, connected=connected)
        self.kept.append(Known(self.boot, self.seq, self.now, late))
        if len(self.kept) > BOUND:
            self.drop(self.waiting()[0])

    @rule(seconds=st.sampled_from([1.0, 30.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.queue.expire(self.now)
        for known in self.waiting():
            if self.now - known.taken <= AGE_SECONDS:
                break
            self.drop(known)

    @rule()
    def send(self) -> None:
        entry = self.queue.next_waiting()
        waiting = self.waiting()
        if not waiting:
            assert entry is None
            return
        assert entry is not None
        assert (entry.key, entry.replayed) == (waiting[0].key, waiting[0].late)
        self.mid += 1
        self.queue.sent(self.mid)
        waiting[0].mid = self.mid

    @precondition(lambda self: any(known.mid for known in self.kept))
    @rule(data=st.data(), accepted=st.booleans())
    def acknowledge(self, data: st.DataObject, *, accepted: bool) -> None:
        known = data.draw(st.sampled_from([known for known in self.kept if known.mid]))
        assert known.mid is not None
        assert self.queue.acknowledged(known.mid, accepted=accepted)
        assert not self.queue.acknowledged(known.mid, accepted=True)
        self.kept.remove(known)
        self.dropped += not accepted

    @precondition(lambda self: any(known.mid for known in self.kept))
    @rule(data=st.data())
    def refuse_for_the_moment(self, data: st.DataObject) -> None:
        """It waits again, in its place, however many others were refused before or after it."""
        known = data.draw(st.sampled_from([known for known in self.kept if known.mid]))
        assert known.mid is not None
        assert self.queue.refused(known.mid, float("inf")) is False
        assert self.queue.refused(known.mid, float("inf")) is None
        known.mid, known.late = None, True

    @precondition(lambda self: any(not known.mid for known in self.kept))
    @rule()
    def drop_next(self) -> None:
        """The broker can never take the oldest event that waits."""
        self.queue.drop_next()
        self.kept.remove(self.waiting()[0])
        self.dropped += 1

    @rule()
    def lose_connection(self) -> None:
        self.queue.connection_lost()
        for known in self.kept:
            known.mid, known.late = None, True

    @rule(acknowledge=st.booleans(), before=st.sampled_from([0.0, 30.0]))
    def save(self, *, acknowledge: bool, before: float) -> None:
        """Write what is due; meanwhile the broker may acknowledge the oldest event in flight."""
        work = DiskWork(self.queue.unsaved_until(self.now - before), self.queue.to_delete())
        self.disk = [known for known in self.disk if known in self.kept]
        new = [known for known in self.kept if not known.saved and known.taken <= self.now - before]
        assert [entry.key for entry in work.write] == [known.key for known in new]
        flying = [known for known in self.kept if known.mid]
        if acknowledge and flying and flying[0].mid:
            assert self.queue.acknowledged(flying[0].mid, accepted=True)
            self.kept.remove(flying[0])
        if work.write or work.delete:
            self.queue.disk_work_done(work, self.written(work))
        self.disk += new
        if work.delete and not work.write:
            self.clock_on_disk = self.now
        for known in new:
            known.saved, known.taken_on_disk = True, known.taken

    def written(self, work: DiskWork) -> list[int]:
        rows = [entry.row for entry in work.delete]
        assert None not in rows
        events = [NewRow(entry.added_monotonic, encode_entry(entry.event)) for entry in work.write]
        return self.store.write(events, rows)

    @precondition(lambda self: any(not known.saved for known in self.kept))
    @rule()
    def full_disk(self) -> None:
        """SQLite reports a full disk; nothing of the failed transaction is there afterwards."""
        (pages,) = self.database.execute("PRAGMA page_count").fetchone()
        self.database.execute(f"PRAGMA max_page_count = {pages}")
        work = DiskWork([*self.queue.unsaved_until(self.now)], [])
        events = [NewRow(entry.added_monotonic, encode_entry(entry.event) + b" " * 8192) for entry in work.write]
        with pytest.raises(StoreError, match="full"):
            self.store.write(events, ())
        self.reopen()

    @rule()
    def reopen(self) -> None:
        """The disk works again after a failure: the queue and the file are reconciled."""
        self.queue.reconcile(self.store.open())
        self.let_ages_stand_still()

    def let_ages_stand_still(self) -> None:
        """Between the last reading of the age clock in the file and its opening no event got older."""
        latest = max([self.clock_on_disk, *(known.taken_on_disk for known in self.disk)])
        for known in self.disk:
            known.taken_on_disk += self.now - latest
        self.clock_on_disk += self.now - latest

    @rule()
    def crash(self) -> None:
        """The process is killed: another one starts with the files as they are at this moment."""
        self.run += 1
        here, there = self.folder / self.boot, self.folder / f"run-{self.run}"
        shutil.copytree(here, there)
        self.store.close()
        shutil.rmtree(here)
        self.kept = self.disk
        self.let_ages_stand_still()
        for known in self.kept:
            known.taken = known.taken_on_disk
            known.mid, known.late, known.saved = None, True, True
        self.disk = list(self.kept)
        self.start(there.name)
        while len(self.kept) > BOUND:
            self.drop(self.kept[0])

    @invariant()
    def verify(self) -> None:
        if not hasattr(self, "queue"):
            return
        in_flight = sorted((known for known in self.kept if known.mid), key=lambda known: known.mid or 0)
        expected = [*in_flight, *self.waiting()]
        assert [entry.key for entry in self.queue.entries()] == [known.key for known in expected]
        assert self.queue.depth == len(self.kept) <= BOUND
        assert [entry.mid for entry in self.queue.entries()] == [known.mid for known in expected]
        assert self.queue.dropped == self.dropped
        unsaved = [known.key for known in self.kept if not known.saved]
        assert [entry.key for entry in self.queue.unsaved_until(self.now)] == unsaved
        assert self.queue.unsaved == len(unsaved)
        assert self.queue.saved == len(self.kept) - len(unsaved)
        assert self.queue.rows_to_delete == sum(known not in self.kept for known in self.disk)

    @invariant()
    def disk_holds_what_was_written(self) -> None:
        if not hasattr(self, "store"):
            return
        rows = self.database.execute("SELECT json FROM events ORDER BY number").fetchall()
        assert [key_of(json) for (json,) in rows] == [known.key for known in self.disk]


def encode_entry(payload: object) -> bytes:
    return getattr(payload, "json", None) or encode(payload)  # type: ignore[arg-type]


def key_of(json: bytes) -> tuple[str, int]:
    record = msgspec.json.decode(json)
    return record["boot_id"], record["seq"]


EventQueueMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestEventQueue = EventQueueMachine.TestCase


def test_seq_that_does_not_grow_is_rejected() -> None:
    queue = EventQueue(BOUND, AGE_SECONDS)
    queue.add(event(2), 0.0, 0.0, connected=True)
    with pytest.raises(ValueError, match="event 2 after event 2"):
        queue.add(event(2), 0.0, 0.0, connected=True)


@given(order=st.permutations([1, 2, 3, 4]), refused=st.integers(0, 4), lost=st.booleans())
def test_events_that_are_refused_for_the_moment_keep_their_order(order: list[int], refused: int, *, lost: bool) -> None:
    """In whatever order the broker refuses them, and also where the connection is lost in between."""
    queue = EventQueue(BOUND, AGE_SECONDS)
    for seq in (1, 2, 3, 4, 5):
        queue.add(event(seq), 0.0, 0.0, connected=True)
    for seq in (1, 2, 3, 4):
        queue.sent(seq)
    for seq in order[:refused]:
        assert queue.refused(seq, attempts=2) is False
    if lost:
        queue.connection_lost()
    in_flight = [] if lost else sorted(order[refused:])
    assert [entry.key[1] for entry in queue.entries()] == [
        *in_flight,
        *(seq for seq in (1, 2, 3, 4, 5) if seq not in in_flight),
    ]
