"""What becomes of a disk that fails, is full, or holds something else than it should."""

import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.config.schema import MqttConfig
from edge.errors import ConfigError
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.store import Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.publisher import MqttSink
from support.mqtt import OUTBOX, Subscriber, event, on_disk, send, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 40 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_durability_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pending = Outbox(MqttConfig())
    keeper = OutboxWriter(pending, Store(tmp_path / OUTBOX), retry_seconds=0.1)
    keeper.start()
    pending.add(event(1), time.monotonic())
    wait_until(lambda: pending.unsaved == 0)
    with full_disk():
        for seq in range(2, 301):
            pending.add(event(seq), time.monotonic())
        wait_until(lambda: keeper.problem)
        time.sleep(0.5)  # several tries, each in vain
        assert pending.depth == 300
        assert 0 < pending.unsaved < 300
        problem = str(keeper.problem)
    assert problem.startswith(f"{tmp_path / OUTBOX}: it cannot be ")
    assert problem.endswith("so events that wait for the broker are in memory only")
    wait_until(lambda: keeper.problem is None)
    assert pending.unsaved == 0
    assert on_disk(tmp_path, tmp_path.parent / "copy") == [("boot", seq) for seq in range(1, 301)]
    assert keeper.finish()
    said = [record.message for record in caplog.records]
    assert said[-1] == f"{tmp_path / OUTBOX} can be written to again"
    assert len(said) == len(set(said)) <= 3


def test_a_disk_that_is_full_again_and_again_is_few_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pending = Outbox(MqttConfig())
    keeper = OutboxWriter(pending, Store(tmp_path / OUTBOX), retry_seconds=0.02)
    keeper.start()
    seq = 0
    for _ in range(10):
        with full_disk():
            while keeper.problem is None:
                seq += 1
                pending.add(event(seq), time.monotonic())
                time.sleep(0.001)
        wait_until(lambda: keeper.problem is None)
    assert keeper.finish()
    assert on_disk(tmp_path, tmp_path.parent / "copy") == [("boot", number) for number in range(1, seq + 1)]
    said = [record.message for record in caplog.records]
    # Three times that it fails, in up to three ways, and that it is well again; then that this goes on.
    assert len(said) <= 3 * 4 + 3, said
    assert sum("again and again: " in line for line in said) == 1


def test_a_sink_whose_folder_cannot_be_used_works_on_from_memory(
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


def test_a_spoilt_file_is_set_aside_and_said(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / OUTBOX).write_text("not a database, but something that somebody may miss")
    sink = make_sink(broker, outbox_directory=str(tmp_path))
    sink.start()
    assert (sink.status().outbox_durable, sink.status().outbox_problem) == (True, None)
    (said,) = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert said.endswith(f"it is set aside as {OUTBOX}.bad-1")
    assert (tmp_path / f"{OUTBOX}.bad-1").read_text().startswith("not a database")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"x" * 9000)])
def test_a_file_that_is_lost_on_the_way_is_made_anew(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """What it held is in memory as well, so the new one gets all of it."""
    broker = make_broker()
    broker.reserve()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    send(sink, 1, 2, 3)
    wait_until(lambda: sink.accepted_seq == 3)
    replacement = folder / "replacement"
    replacement.write_bytes(b"")
    replacement.replace(folder / OUTBOX)
    spoil(folder / OUTBOX)
    send(sink, 4)
    wait_until(lambda: sink.accepted_seq == 4)
    assert on_disk(folder, tmp_path / "copy") == [("boot", seq) for seq in range(1, 5)]
    assert sink.status().outbox_problem is None


def test_one_outbox_per_sensor(
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
