"""Covers the writer and the sink on a disk that is full, cannot be written to, or holds a damaged outbox."""

import contextlib
import logging
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.messages.payloads import encode
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.store import NewRow, Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import OUTBOX, Subscriber, event, fill_disk, on_disk, send, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 40 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_costs_durability_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(tmp_path / OUTBOX), retry_seconds=0.1)
    writer.start()
    outbox.add(event(1), time.monotonic())
    wait_until(lambda: outbox.unsaved == 0)
    with full_disk():
        for seq in range(2, 301):
            outbox.add(event(seq), time.monotonic())
        wait_until(lambda: writer.problem)
        time.sleep(0.5)  # several attempts, each fails
        assert outbox.depth == 300
        assert 0 < outbox.unsaved < 300
        problem = str(writer.problem)
    assert problem.startswith(f"{tmp_path / OUTBOX}: the file cannot be ")
    assert problem.endswith("so events that wait for the broker are in memory only")
    wait_until(lambda: writer.problem is None)
    assert outbox.unsaved == 0
    assert on_disk(tmp_path, tmp_path.parent / "copy") == [("boot", seq) for seq in range(1, 301)]
    assert writer.finish()
    logged = [record.message for record in caplog.records]
    assert logged[-1] == f"{tmp_path / OUTBOX} can be written to again"
    assert len(logged) == len(set(logged)) <= 3


def test_disk_that_is_repeatedly_full_is_logged_in_few_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(tmp_path / OUTBOX), retry_seconds=0.02)
    writer.start()
    seq = 0
    for _ in range(10):
        with full_disk():
            while writer.problem is None:
                seq += 1
                outbox.add(event(seq), time.monotonic())
                time.sleep(0.001)
        wait_until(lambda: writer.problem is None)
    assert writer.finish()
    assert on_disk(tmp_path, tmp_path.parent / "copy") == [("boot", number) for number in range(1, seq + 1)]
    logged = [record.message for record in caplog.records]
    # Three times that it fails, in up to three ways, and that it recovers; then that it does so repeatedly.
    assert len(logged) <= 3 * 4 + 3, logged
    assert sum("repeatedly: " in line for line in logged) == 1


def test_sink_with_an_unusable_folder_delivers_from_memory(
    broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker, outbox_directory="/proc/self/outbox")
    sink.start()
    assert sink.status().outbox_durable is False
    assert "/proc/self/outbox" in str(sink.status().outbox_problem)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        sink.status().outbox_problem
    ]
    send(sink, *range(1, 11))
    subscriber.wait(lambda: len(subscriber.seqs) == 10)
    broker.stop()
    send(sink, 11)
    assert not sink.close(0.0)


def test_damaged_file_is_renamed_and_logged(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / OUTBOX).write_text("not a database, but worth keeping")
    sink = make_sink(broker, outbox_directory=str(tmp_path))
    sink.start()
    assert (sink.status().outbox_durable, sink.status().outbox_problem) == (True, None)
    (line,) = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.endswith(f"renamed to {OUTBOX}.bad-1, a new one is created; what waited in it is not known")
    assert (tmp_path / f"{OUTBOX}.bad-1").read_text().startswith("not a database")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x" * 9000)])
def test_file_that_is_lost_while_open_is_created_again(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """The content of the lost file is in memory as well, so the new file gets all of it."""
    broker = make_broker()
    broker.reserve()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    send(sink, 1, 2, 3)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [("boot", seq) for seq in range(1, 4)])
    replacement = folder / "replacement"
    replacement.write_bytes(b"")
    replacement.replace(folder / OUTBOX)
    damage(folder / OUTBOX)
    send(sink, 4)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [("boot", seq) for seq in range(1, 5)])
    assert sink.status().outbox_problem is None


def test_second_sensor_with_the_same_outbox_is_rejected(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_sink(broker, outbox_directory=str(tmp_path))
    first.start()
    second = make_sink(broker, outbox_directory=str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        second.start()
    assert str(tmp_path / OUTBOX) in str(caught.value)
    assert "device.id" in str(caught.value)
    assert second.close(0.0)
    other = MqttSink(MqttConfig(url=broker.url, outbox_directory=str(tmp_path)), "other")
    other.start()
    assert other.status().outbox_durable
    assert other.close(5.0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


class Sent:
    """Sends what waits in an outbox, and acknowledges it, as a broker that is there."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.mids: list[int] = []
        self._all = 0

    def send_all(self) -> int:
        self._outbox.connection_made()
        while self._outbox.send_next(self._publish, lambda _: True):
            self._outbox.acknowledged(self.mids.pop())
        return self._all

    def _publish(self, _payload: bytes, _key: tuple[str, int]) -> int:
        self._all += 1
        self.mids.append(self._all)
        return self._all


def test_outbox_on_a_disk_of_one_megabyte_stays_usable(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It stores what fits, has room left for its own work, and recovers by itself once events are acknowledged."""
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(small_disk / OUTBOX), retry_seconds=0.1)
    writer.start()
    for seq in range(1, 2001):
        outbox.add(event(seq), time.monotonic())
    wait_until(lambda: writer.problem)
    assert "there is no room on its disk, where 0.23 MB must be free" in str(writer.problem)
    stored = outbox.saved
    assert stored > 700
    assert outbox.depth == 2000
    assert (small_disk / f"{OUTBOX}-wal").stat().st_size < 130_000
    # A restart finds what was stored, in order.
    assert on_disk(small_disk, small_disk.parent / "copy") == [("boot", seq) for seq in range(1, stored + 1)]
    assert Sent(outbox).send_all() == 2000
    wait_until(lambda: writer.problem is None and outbox.saved == 0)
    # In the room of the deleted rows further events are stored.
    outbox.connection_lost()
    for seq in range(2001, 2501):
        outbox.add(event(seq), time.monotonic())
    wait_until(lambda: outbox.unsaved == 0)
    assert writer.problem is None
    assert writer.finish()
    logged = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == 2
    assert logged[0].endswith("must be free, so events that wait for the broker are in memory only")
    assert logged[1] == f"{small_disk / OUTBOX} can be written to again"


def test_outbox_recovers_when_others_make_room(small_disk: Path) -> None:
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(small_disk / OUTBOX), retry_seconds=0.05)
    writer.start()
    outbox.add(event(1), time.monotonic())
    wait_until(lambda: outbox.unsaved == 0)
    ballast = fill_disk(small_disk)
    for seq in range(2, 101):
        outbox.add(event(seq), time.monotonic())
    wait_until(lambda: writer.problem)
    assert outbox.depth == 100
    ballast.unlink()
    wait_until(lambda: writer.problem is None)
    assert on_disk(small_disk, small_disk.parent / "copy") == [("boot", seq) for seq in range(1, 101)]
    assert writer.finish()


def test_start_on_a_full_disk_recovers(small_disk: Path) -> None:
    ballast = fill_disk(small_disk)
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(small_disk / "state" / OUTBOX), retry_seconds=0.05)
    writer.start()
    assert writer.problem
    outbox.add(event(1), time.monotonic())
    ballast.unlink()
    wait_until(lambda: writer.problem is None)
    assert outbox.unsaved == 0
    assert writer.finish()


def test_log_that_fills_the_disk_is_removed_once_its_events_are_delivered(small_disk: Path) -> None:
    """As versions without a bound left it: the log cannot be emptied, and nothing can be deleted."""
    folder = small_disk / "state"
    store = Store(folder / OUTBOX, connect=unbounded_log, free_bytes=lambda _: None)
    store.open()
    store.write([NewRow(0.0, encode(event(seq))) for seq in range(1, 101)], ())
    copy = small_disk.parent / "killed"
    shutil.copytree(folder, copy)
    store.close()
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    assert (folder / f"{OUTBOX}-wal").stat().st_size > 60_000
    fill_disk(small_disk)
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(folder / OUTBOX), retry_seconds=0.05)
    writer.start()
    assert outbox.depth == 100
    assert writer.problem
    assert Sent(outbox).send_all() == 100
    wait_until(lambda: writer.problem is None)
    assert writer.finish()
    assert on_disk(folder, small_disk.parent / "copy") == []


def unbounded_log(*arguments: Any, **options: Any) -> sqlite3.Connection:
    """Open a database whose log is never moved into it."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]
            return super().execute("PRAGMA wal_autocheckpoint = 0" if "autocheckpoint" in sql else sql, *parameters)

    return sqlite3.connect(*arguments, **options, factory=Connection)


def test_disk_without_inodes_is_named(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        for number in range(64):
            (small_disk / f"file-{number}").touch()
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(small_disk / OUTBOX), retry_seconds=0.05)
    writer.start()
    assert "its disk has no room for another file: no free inodes" in str(writer.problem)
    outbox.add(event(1), time.monotonic())
    for number in range(8):
        (small_disk / f"file-{number}").unlink()
    wait_until(lambda: writer.problem is None)
    assert writer.finish()


def test_events_on_a_disk_that_has_become_read_only_are_still_sent(small_disk: Path) -> None:
    """As an SD card does that fails. The next start can delete nothing, so they are sent again, marked."""
    store = Store(small_disk / OUTBOX)
    store.open()
    store.write([NewRow(0.0, encode(event(seq))) for seq in (1, 2, 3)], ())
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(small_disk / OUTBOX), retry_seconds=0.05)
    writer.start()
    assert writer.problem
    assert outbox.depth == 3
    assert Sent(outbox).send_all() == 3
    outbox.add(event(4), time.monotonic())
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    outbox.connection_lost()
    wait_until(lambda: writer.problem is None and outbox.unsaved == 0)
    assert on_disk(small_disk, small_disk.parent / "copy") == [("boot", 4)]
    assert writer.finish()


def test_room_is_asked_for_before_each_event(tmp_path: Path) -> None:
    """Without a small disk: the room is what the test says."""
    free = 10_000_000
    outbox = Outbox(MqttConfig())
    writer = OutboxWriter(outbox, Store(tmp_path / OUTBOX, free_bytes=lambda _: free), retry_seconds=0.02)
    writer.start()
    outbox.add(event(1), time.monotonic())
    wait_until(lambda: outbox.unsaved == 0)
    free = 100_000
    outbox.add(event(2), time.monotonic())
    wait_until(lambda: writer.problem)
    assert outbox.unsaved == 1
    # A deletion needs no room, and happens although the new event cannot be written.
    assert Sent(outbox).send_all() == 2
    wait_until(lambda: on_disk(tmp_path, tmp_path.parent / "copy") == [])
    outbox.connection_lost()
    outbox.add(event(3), time.monotonic())
    wait_until(lambda: writer.problem)
    free = 10_000_000
    wait_until(lambda: writer.problem is None)
    assert on_disk(tmp_path, tmp_path.parent / "copy") == [("boot", 3)]
    assert writer.finish()
