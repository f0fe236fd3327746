"""The outbox with its file, against the simplest model of both."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.messages.payloads import encode
from edge.mqtt.outbox.queue import DiskWork, EventQueue
from edge.mqtt.outbox.store import Store, StoreError
from support.mqtt import event

BOUND = 10
AGE_SECONDS = 100.0
MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108
"""Thousands of commits: a disk that somebody else is busy with takes seconds for each."""


@dataclass(eq=False)
class Known:
    """An event as the model sees it."""

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


class OutboxMachine(RuleBasedStateMachine):
    """An outbox and its file beside a list of events and a list of what the disk holds."""

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
        self.outbox = EventQueue(BOUND, AGE_SECONDS)
        self.store = Store(self.folder / name / "outbox.sqlite3", lambda: self.now)
        self.outbox.reconcile(self.store.open())
        self.boot = name
        self.seq = self.mid = self.dropped = 0

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
        self.outbox.add(event(self.seq, boot_id=self.boot), 0.0, self.now, connected=connected)
        self.kept.append(Known(self.boot, self.seq, self.now, late))
        if len(self.kept) > BOUND:
            self.drop(self.waiting()[0])

    @rule(seconds=st.sampled_from([1.0, 30.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.outbox.expire(self.now)
        for known in self.waiting():
            if self.now - known.taken <= AGE_SECONDS:
                break
            self.drop(known)

    @rule()
    def hand_over(self) -> None:
        entry = self.outbox.next_waiting()
        waiting = self.waiting()
        if not waiting:
            assert entry is None
            return
        assert entry is not None
        assert (entry.key, entry.replayed) == (waiting[0].key, waiting[0].late)
        self.mid += 1
        self.outbox.handed(self.mid)
        waiting[0].mid = self.mid

    @precondition(lambda self: any(known.mid for known in self.kept))
    @rule(data=st.data(), accepted=st.booleans())
    def settle(self, data: st.DataObject, *, accepted: bool) -> None:
        known = data.draw(st.sampled_from([known for known in self.kept if known.mid]))
        assert known.mid is not None
        assert self.outbox.settled(known.mid, accepted=accepted)
        assert not self.outbox.settled(known.mid, accepted=True)
        self.kept.remove(known)
        self.dropped += not accepted

    @rule()
    def lose_connection(self) -> None:
        self.outbox.connection_lost()
        for known in self.kept:
            known.mid, known.late = None, True

    @rule(acknowledge=st.booleans(), before=st.sampled_from([0.0, 30.0]))
    def save(self, *, acknowledge: bool, before: float) -> None:
        """Write what is due; meanwhile the broker may acknowledge the oldest event in flight."""
        work = DiskWork(self.outbox.unsaved_until(self.now - before), self.outbox.to_delete())
        self.disk = [known for known in self.disk if known in self.kept]
        new = [known for known in self.kept if not known.saved and known.taken <= self.now - before]
        assert [entry.key for entry in work.write] == [known.key for known in new]
        flying = [known for known in self.kept if known.mid]
        if acknowledge and flying and flying[0].mid:
            assert self.outbox.settled(flying[0].mid, accepted=True)
            self.kept.remove(flying[0])
        if work.write or work.delete:
            self.outbox.done(work, self.written(work))
        self.disk += new
        if work.delete and not work.write:
            self.clock_on_disk = self.now
        for known in new:
            known.saved, known.taken_on_disk = True, known.taken

    def written(self, work: DiskWork) -> list[int]:
        rows = [entry.row for entry in work.delete]
        assert None not in rows
        events = [(entry.taken_monotonic, encode_entry(entry.event)) for entry in work.write]
        return self.store.write(events, rows)  # type: ignore[arg-type]

    @precondition(lambda self: any(not known.saved for known in self.kept))
    @rule()
    def full_disk(self) -> None:
        """SQLite itself says that the disk is full; nothing of what was to be written is there afterwards."""
        assert self.store._connection is not None
        (pages,) = self.store._connection.execute("PRAGMA page_count").fetchone()
        self.store._connection.execute(f"PRAGMA max_page_count = {pages}")
        work = DiskWork([*self.outbox.unsaved_until(self.now)], [])
        events = [(entry.taken_monotonic, encode_entry(entry.event) + b" " * 8192) for entry in work.write]
        with pytest.raises(StoreError, match="full"):
            self.store.write(events, ())
        self.reopen()

    @rule()
    def reopen(self) -> None:
        """The disk is back after trouble: what is here and what is there must be brought together."""
        self.outbox.reconcile(self.store.open())
        self.let_ages_stand_still()

    def let_ages_stand_still(self) -> None:
        """Between the last that the file says about the time and its opening no event got older."""
        latest = max([self.clock_on_disk, *(known.taken_on_disk for known in self.disk)])
        for known in self.disk:
            known.taken_on_disk += self.now - latest
        self.clock_on_disk += self.now - latest

    @rule()
    def crash(self) -> None:
        """The process is killed: another starts with the files as they are at this moment."""
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
        if not hasattr(self, "outbox"):
            return
        assert self.outbox.pending_seqs() == [known.seq for known in self.kept]
        assert self.outbox.depth == len(self.kept) <= BOUND
        assert self.outbox.in_flight == sum(known.mid is not None for known in self.kept)
        assert self.outbox.dropped == self.dropped
        unsaved = [known.seq for known in self.kept if not known.saved]
        assert self.outbox.unsaved == len(unsaved)
        assert self.outbox.saved == len(self.kept) - len(unsaved)
        assert self.outbox.accepted_seq == (unsaved[0] - 1 if unsaved else self.seq)
        assert self.outbox.doomed == sum(known not in self.kept for known in self.disk)

    @invariant()
    def disk_holds_what_it_was_told(self) -> None:
        if not hasattr(self, "store") or self.store._connection is None:
            return
        rows = self.store._connection.execute("SELECT json FROM events ORDER BY number").fetchall()
        assert [seq_of(json) for (json,) in rows] == [known.key for known in self.disk]


def encode_entry(payload: object) -> bytes:
    return getattr(payload, "json", None) or encode(payload)  # type: ignore[arg-type]


def seq_of(json: bytes) -> tuple[str, int]:
    record = msgspec.json.decode(json)
    return record["boot_id"], record["seq"]


OutboxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestOutbox = OutboxMachine.TestCase


def test_number_that_does_not_grow_is_a_bug() -> None:
    outbox = EventQueue(BOUND, AGE_SECONDS)
    outbox.add(event(2), 0.0, 0.0, connected=True)
    with pytest.raises(ValueError, match="event 2 after event 2"):
        outbox.add(event(2), 0.0, 0.0, connected=True)
