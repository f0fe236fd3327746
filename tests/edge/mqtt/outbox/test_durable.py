"""The sink and its outbox on disk: when it is written, and what the next start makes of it."""

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.mqtt.publisher import MqttSink
from support.mqtt import OUTBOX, Subscriber, assert_run, event, on_disk, send, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the last write of each file."""
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_nothing_is_written_while_the_broker_is_there_and_quick(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    sink = make_sink(broker, outbox_directory=str(tmp_path))
    sink.start()
    assert (sink.status().outbox_durable, sink.status().outbox_problem) == (True, None)
    before = files(tmp_path)
    for seq in range(1, 201):
        send(sink, seq)
        wait_until(sink.drained)
    time.sleep(1.2)  # longer than anything may stay in memory alone
    assert files(tmp_path) == before
    assert sink.accepted_seq == 200
    # The measure is one that sees a write.
    broker.stop()
    send(sink, 201)
    wait_until(lambda: sink.accepted_seq == 201)
    assert files(tmp_path) != before


def test_each_event_is_on_disk_at_once_while_the_broker_is_away(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    broker = make_broker()
    broker.reserve()
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    for last in (1, 5, 40):
        send(sink, *range(sink.accepted_seq + 1, last + 1))
        wait_until(lambda last=last: sink.accepted_seq == last)
        assert on_disk(folder, tmp_path / "copy") == [("boot", seq) for seq in range(1, last + 1)]


def test_what_a_broker_does_not_acknowledge_goes_to_the_disk_and_leaves_it_later(
    broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe, tmp_path: Path
) -> None:
    subscriber = subscribe(broker)
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    assert broker._process is not None
    broker._process.send_signal(signal.SIGSTOP)
    try:
        send(sink, 1, 2, 3)
        assert sink.status().broker == "connected"
        wait_until(lambda: sink.accepted_seq == 3)
        assert on_disk(folder, tmp_path / "copy") == [("boot", 1), ("boot", 2), ("boot", 3)]
    finally:
        broker._process.send_signal(signal.SIGCONT)
    wait_until(sink.drained)
    wait_until(lambda: on_disk(folder, tmp_path / "copy") == [])
    assert_run(subscriber.seqs, 1, 3)


def test_the_next_start_sends_what_the_last_one_could_not(
    make_broker: MakeBroker,
    make_sink: MakeSink,
    subscribe: Subscribe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the clock of the wall jumps between and during the runs: the order is that of happening."""
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    now = time.time()
    clocks = {"one": now, "two": 0.0, "three": now + 1e9, "four": now - 86_400}
    for boot_id, clock in clocks.items():
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        sink = make_sink(broker, outbox_directory=str(tmp_path), drain_seconds=0.0)
        sink.start()
        send(sink, 1, 2, 3, boot_id=boot_id)
        if boot_id == "four":
            broker.start()
            wait_until(sink.drained)
            send(sink, 4, boot_id=boot_id)
        assert sink.close(0.0 if boot_id != "four" else 10.0)
    subscriber.wait(lambda: ("four", 4) in came(subscriber))
    assert came(subscriber) == [(boot, seq) for boot in clocks for seq in (1, 2, 3)] + [("four", 4)]
    events = [seen.json for seen in subscriber.of("event")]
    assert [one["replayed"] for one in events] == [True] * 12 + [False]
    assert {one["time"] for one in events} == {event(1).time}
    assert all(one["latency_ms"] >= 0 for one in events)
    said = [record.message for record in caplog.records]
    assert sum(line.endswith(f"are kept in {tmp_path / OUTBOX} for the next start") for line in said) == 3
    assert f"9 event(s) of earlier runs wait in {tmp_path / OUTBOX}" in said


def came(subscriber: Subscriber) -> list[tuple[str, int]]:
    return [(seen.json["boot_id"], seen.json["seq"]) for seen in subscriber.of("event")]


def test_old_events_go(make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_max_age_hours=0.1)
    sink.start()
    now = time.monotonic()
    send(sink, 1, 2)
    wait_until(lambda: sink.accepted_seq == 2)
    monkeypatch.setattr(time, "time", lambda: 4e9)  # a clock that jumps makes nothing older
    send(sink, 3)
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (3, 0)
    monkeypatch.setattr(time, "monotonic", lambda: now + 361.0)
    send(sink, 4)
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (1, 3)
    monkeypatch.undo()


def test_an_end_without_a_goodbye_keeps_everything(broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    assert broker._process is not None
    broker._process.send_signal(signal.SIGSTOP)
    try:
        send(sink, 1, 2)
        assert sink.abort()
        assert on_disk(folder, tmp_path / "copy") == [("boot", 1), ("boot", 2)]
    finally:
        broker._process.send_signal(signal.SIGCONT)


def test_a_backlog_leaves_at_its_pace_and_what_happens_meanwhile_waits_behind_it(
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
    # 16 leave at once, the others at 20 a second.
    assert time.monotonic() - began > 1.3
    subscriber.wait(lambda: 47 in subscriber.seqs)
    assert_run(subscriber.seqs, 1, 47)
    assert all(seen.json["replayed"] for seen in subscriber.of("event"))
    send(sink, 48)
    subscriber.wait(lambda: 48 in subscriber.seqs)
    assert not subscriber.of("event")[-1].json["replayed"]
