"""Covers the accounts of boots: what the next start knows, and that it never claims more than is so."""

import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from edge.config.mqtt_schema import MqttConfig
from edge.messages.previous_boot import PreviousBoot
from edge.mqtt.outbox.account import MOST_BOOTS, BootAccount, Ledger, RunRecord
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.run_record import RunRecordFile
from edge.mqtt.outbox.store import NewRow, Store
from edge.system.clock import SystemClock
from support.mqtt import event

MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108


def test_events_that_are_neither_acknowledged_nor_on_disk_are_unaccounted() -> None:
    account = BootAccount("one", decided=10, exact=True, settled=6, dropped=1)
    assert account.closed(on_disk=[7, 8]).unaccounted == 2
    # A row whose event was acknowledged just before the kill.
    assert account.closed(on_disk=[6, 7, 8, 9, 10]).unaccounted == 0
    assert account.closed(on_disk=[]).closed(on_disk=[7]).unaccounted == 4  # once it is over it stays so


def test_events_that_were_dropped_behind_one_in_flight_are_accounted_for() -> None:
    ledger = Ledger()
    for seq in range(1, 7):
        ledger.added("one", seq)
    for seq in (2, 3):
        ledger.removed("one", seq, dropped=True)
    assert ledger.current() == BootAccount("one", decided=6, settled=0, dropped=2, ahead=2)
    ledger.removed("one", 1, dropped=False)
    assert ledger.current() == BootAccount("one", decided=6, settled=3, dropped=2)


def test_boot_of_a_file_without_accounts_is_known_by_its_events() -> None:
    ledger = Ledger()
    ledger.begin("now")
    ledger.close_earlier([], None, [("old", 4), ("old", 5)])
    (boot,) = ledger.previous_boots(Counter({"old": 2}))
    assert (boot.boot_id, boot.events_decided, boot.events_decided_exact, boot.events_waiting) == ("old", 5, False, 2)


def test_last_boot_and_those_that_decided_something_are_kept() -> None:
    stored = [BootAccount(f"boot-{number}", decided=number % 2, unaccounted=0) for number in range(20)]
    ledger = Ledger()
    ledger.close_earlier([*stored, BootAccount("last")], None, [])
    boots = [boot.boot_id for boot in ledger.previous_boots(Counter())]
    assert boots == ["last", "boot-19", "boot-17", "boot-15", "boot-13"]
    assert len(boots) == MOST_BOOTS


def test_record_outlives_the_process_that_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "run" / "events-cam"
    first = RunRecordFile(file)
    assert first.read() is None
    first.open()
    record = RunRecord(BootAccount("b00t", decided=2**40, exact=True, settled=7, dropped=3, ahead=1), saved=5)
    first.write(RunRecord(BootAccount("b00t", decided=1), saved=0))
    first.write(record)
    # Nothing is closed: this is what a kill leaves.
    assert RunRecordFile(file).read() == record
    content = file.read_bytes()
    for damaged in (b"", content[:-1], b"x" + content[1:], bytes(len(content)), content + b"\0"):
        file.write_bytes(damaged)
        assert RunRecordFile(file).read() is None
    first.close()


def test_record_is_left_out_where_there_is_no_place_for_it(tmp_path: Path) -> None:
    for file in (None, Path("/proc/self/record"), tmp_path):
        record = RunRecordFile(file)
        record.open()
        record.write(RunRecord(BootAccount("boot", decided=1), saved=0))
        assert record.read() is None
        record.close()


class Boot:
    """The truth about one boot. `acknowledged`: `seq` of what the broker has acknowledged."""

    def __init__(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self.decided = 0
        self.acknowledged: set[int] = set()


class CrashMachine(RuleBasedStateMachine):
    """An outbox with its file and its record, killed at any moment, beside what really happened."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="emotion-edge-account-", dir=MEMORY))
        self.boots: list[Boot] = []
        self.life = 0
        self.start()

    def start(self) -> None:
        folder = self.folder / str(self.life)
        folder.mkdir(exist_ok=True)
        self.boot = Boot(f"boot-{self.life}")
        self.mids: dict[int, tuple[str, int]] = {}
        self.outbox = Outbox(MqttConfig(), record_file=RunRecordFile(folder / "record"))
        self.outbox.begin_boot(self.boot.boot_id)
        self.store = Store(folder / "state" / "outbox.sqlite3")
        rows = self.store.open()
        self.on_disk = [(row.event.boot_id, row.event.seq) for row in rows]
        self.lost = self.outbox.take_over(rows, self.store.accounts)
        self.store.write((), (), SystemClock().read(), self.outbox.accounts())
        self.outbox.start_record()
        self.boots.append(self.boot)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.store.close()
            self.outbox.end_record()
            shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 4))
    def decide(self, count: int) -> None:
        for _ in range(count):
            self.boot.decided += 1
            self.outbox.add(event(self.boot.decided, boot_id=self.boot.boot_id), time.monotonic())

    @rule()
    def connect(self) -> None:
        self.outbox.connection_made()

    @rule()
    def lose_connection(self) -> None:
        self.mids.clear()
        self.outbox.connection_lost()

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        if self.outbox.connected:
            for _ in range(count):
                self.outbox.send_next(self.publish, lambda _: True)

    def publish(self, _: bytes, key: tuple[str, int]) -> int:
        mid = max(self.mids, default=0) + 1
        self.mids[mid] = key
        return mid

    @precondition(lambda self: self.mids)
    @rule(count=st.integers(1, 6))
    def acknowledge(self, count: int) -> None:
        for mid in sorted(self.mids)[:count]:
            boot_id, seq = self.mids.pop(mid)
            assert self.outbox.acknowledged(mid)
            next(boot for boot in self.boots if boot.boot_id == boot_id).acknowledged.add(seq)

    @rule()
    def commit(self) -> None:
        work = self.outbox.disk_work(wait=False)
        if work is None:
            return
        reading = SystemClock().read()
        new = [
            NewRow(one.added_monotonic, one.payload(reading, replayed=True), one.captured_boottime)
            for one in work.write
        ]
        rows = [one.row for one in work.delete if one.row is not None]
        self.outbox.disk_work_done(work, self.store.write(new, rows, reading, work.accounts), reading)

    @rule()
    def stop(self) -> None:
        self.outbox.finish()
        while self.outbox.disk_work(wait=False) is not None:
            self.commit()
        self.next_life(record=True)
        self.check(exact=True, known_lost=0)

    @rule()
    def kill(self) -> None:
        self.next_life(record=True)
        self.check(exact=True, known_lost=0)

    @rule()
    def cut_power(self) -> None:
        self.next_life(record=False)
        self.check(exact=False, known_lost=0)

    @rule()
    def kill_and_destroy_the_file(self) -> None:
        saved = self.outbox.saved
        self.next_life(record=True, state=False)
        assert self.lost == self.outbox.dropped == saved
        assert self.on_disk == []
        boot = self.outbox.previous_boots[0]
        assert (boot.events_decided, boot.events_decided_exact) == (self.boots[-2].decided, True)

    def next_life(self, *, record: bool, state: bool = True) -> None:
        """Start again with the files as they are now."""
        here = self.folder / str(self.life)
        self.life += 1
        there = self.folder / str(self.life)
        there.mkdir()
        if state:
            shutil.copytree(here / "state", there / "state")
        if record and (here / "record").exists():
            shutil.copyfile(here / "record", there / "record")
        self.store.close()
        self.outbox.end_record()
        shutil.rmtree(here)
        self.start()

    def check(self, *, exact: bool, known_lost: int) -> None:
        """Compare what the new life knows of the one before with what really happened."""
        assert (self.lost, self.outbox.dropped) == (known_lost, 0)
        assert self.outbox.depth == len(self.on_disk)
        truth = self.boots[-2]
        boot: PreviousBoot = self.outbox.previous_boots[0]
        assert boot.boot_id == truth.boot_id
        if exact:
            assert (boot.events_decided, boot.events_decided_exact) == (truth.decided, True)
        else:
            assert boot.events_decided <= truth.decided
        waiting = {seq for boot_id, seq in self.on_disk if boot_id == truth.boot_id}
        really_lost = set(range(1, truth.decided + 1)) - truth.acknowledged - waiting
        if exact:
            assert boot.events_unaccounted >= len(really_lost)
        counts = (boot.events_delivered, boot.events_waiting, boot.events_dropped, boot.events_unaccounted)
        assert boot.events_delivered <= len(truth.acknowledged)
        assert sum(counts) == boot.events_decided
        assert boot.events_waiting == len(waiting)


CrashMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestCrashes = CrashMachine.TestCase
