"""Covers the sink with its outbox on disk: when events are written, and what the next start sends."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.messages.payload_builder import timestamp
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from edge.system.clock import SystemClock
from support.broker import PrivateBroker
from support.mqtt import OUTBOX, Subscriber, assert_run, on_disk, send, suspended, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of the last write of each file."""
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_nothing_is_written_while_the_broker_acknowledges_quickly(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    assert (sink.status().outbox_durable, sink.status().outbox_problem) == (True, None)
    before = files(folder)
    for seq in range(1, 201):
        send(sink, seq)
        wait_until(sink.drained)
    time.sleep(1.2)  # longer than an unacknowledged event stays in memory alone
    assert files(folder) == before
    # A write does change what `files` returns.
    broker.stop()
    send(sink, 201)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [("boot", 201)])
    assert files(folder) != before


def test_events_are_written_at_once_while_the_broker_is_away(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    broker = make_broker()
    broker.reserve()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    for first, last in ((1, 1), (2, 5), (6, 40)):
        send(sink, *range(first, last + 1))
        expected = [("boot", seq) for seq in range(1, last + 1)]
        wait_until(lambda expected=expected: on_disk(folder, tmp_path / "copy") == expected)


def test_unacknowledged_events_are_written_and_deleted_once_acknowledged(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe, tmp_path: Path
) -> None:
    broker = make_broker(extra=[f"pid_file {tmp_path / 'pid'}"])
    broker.start()
    subscriber = subscribe(broker)
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    with suspended(tmp_path / "pid"):
        send(sink, 1, 2, 3)
        assert sink.status().broker == "connected"
        wait_until(lambda: on_disk(folder, tmp_path / "copy") == [("boot", 1), ("boot", 2), ("boot", 3)])
    wait_until(sink.drained)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [])
    assert_run(subscriber.seqs, 1, 3)


def test_next_start_sends_the_events_of_earlier_runs_in_order(
    make_broker: MakeBroker,
    make_sink: MakeSink,
    subscribe: Subscribe,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the wall clock jumps between and during the runs: the order is that in which events happened.

    Their times are those of the clock as it was set last. The first run is one of a version without leaders and rolls.
    """
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    now = time.time()
    clocks = {"one": now, "two": 0.0, "three": now + 1e9, "four": now - 86_400}
    for boot_id, unix in clocks.items():
        clock = SystemClock(unix=lambda unix=unix: unix)
        sink = make_sink(broker, timing=Timing(clock=clock), outbox_directory=str(tmp_path), drain_seconds=0.0)
        sink.start()
        send(sink, 1, 2, 3, boot_id=boot_id)
        if boot_id == "four":
            broker.start()
            wait_until(sink.drained)
            send(sink, 4, boot_id=boot_id)
        assert sink.close(0.0 if boot_id != "four" else 10.0)
        if boot_id == "one":
            with contextlib.closing(sqlite3.connect(tmp_path / OUTBOX)) as file, file:
                file.execute(
                    "UPDATE events SET json = CAST(json_remove(CAST(json AS TEXT), '$.leader', '$.leader_group', "
                    "'$.leader_confidence', '$.face.roll_degrees') AS BLOB)"
                )
    subscriber.wait(lambda: ("four", 4) in received(subscriber))
    assert received(subscriber) == [(boot, seq) for boot in clocks for seq in (1, 2, 3)] + [("four", 4)]
    events = [seen.json for seen in subscriber.of("event")]
    assert [one["replayed"] for one in events] == [True] * 12 + [False]
    assert [(one["leader"], one["leader_group"], one["leader_confidence"]) for one in events] == [
        *[(None, None, None)] * 3,
        *[("happy", None, 0.9)] * 10,
    ]
    assert [one["face"]["roll_degrees"] for one in events] == [None] * 3 + [-30.0] * 10
    assert [one["confidence"] for one in events] == [0.9] * 13
    assert all(timestamp(now - 86_460) < one["time"] < timestamp(now - 86_340) for one in events)
    assert all(one["time_corrected"] for one in events)
    assert all(one["latency_ms"] >= 0 for one in events)
    logged = [record.message for record in caplog.records]
    assert sum(line.endswith(f"are kept in {tmp_path / OUTBOX} for the next start") for line in logged) == 3
    assert f"9 event(s) of earlier runs wait in {tmp_path / OUTBOX}" in logged


def received(subscriber: Subscriber) -> list[tuple[str, int]]:
    return [(seen.json["boot_id"], seen.json["seq"]) for seen in subscriber.of("event")]


def test_old_events_are_dropped(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make_broker()
    broker.reserve()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder), outbox_max_age_hours=0.1)
    sink.start()
    now = time.monotonic()
    send(sink, 1, 2)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [("boot", 1), ("boot", 2)])
    monkeypatch.setattr(time, "time", lambda: 4e9)  # a wall clock that jumps makes no event older
    send(sink, 3)
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (3, 0)
    monkeypatch.setattr(time, "monotonic", lambda: now + 361.0)
    send(sink, 4)
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (1, 3)
    monkeypatch.undo()


def test_abort_keeps_unacknowledged_events_on_disk(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    broker = make_broker(extra=[f"pid_file {tmp_path / 'pid'}"])
    broker.start()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    with suspended(tmp_path / "pid"):
        send(sink, 1, 2)
        assert sink.abort()
        assert on_disk(folder, tmp_path / "copy") == [("boot", 1), ("boot", 2)]


def test_backlog_is_sent_at_its_rate_and_new_events_wait_behind_it(
    make_broker: MakeBroker, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    sink = make_sink(broker, replay_per_second=20.0)
    sink.start()
    send(sink, *range(1, 47))
    broker.start()
    wait_until(lambda: sink.status().broker == "connected")
    began = time.monotonic()
    send(sink, 47)
    wait_until(sink.drained)
    # 16 are sent at once, the others at 20 a second.
    assert time.monotonic() - began > 1.3
    subscriber.wait(lambda: 47 in subscriber.seqs)
    assert_run(subscriber.seqs, 1, 47)
    assert all(seen.json["replayed"] for seen in subscriber.of("event"))
    send(sink, 48)
    subscriber.wait(lambda: 48 in subscriber.seqs)
    assert not subscriber.of("event")[-1].json["replayed"]
