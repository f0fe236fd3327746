"""Covers the writer and the sink on a disk that is full, cannot be written to, or holds a damaged outbox."""

import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.store import Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import OUTBOX, Subscriber, event, on_disk, send, wait_until

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
    assert line.endswith(f"renamed to {OUTBOX}.bad-1, a new one is created")
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
