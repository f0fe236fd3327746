"""Covers the sink while a real mosquitto is away: delivery, order, shutdown, and what is logged."""

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import Subscriber, assert_run, info, on_disk, send, state, wait_until

MakeBroker = Callable[..., PrivateBroker]
Subscribe = Callable[..., Subscriber]
MakeSink = Callable[..., MqttSink]


def test_events_from_before_the_first_connection_are_replayed(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge")
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, timing=Timing(connect_seconds=60.0))
    began = time.monotonic()
    sink.start()
    assert time.monotonic() - began < 50, "a refused connection is not waited for"
    assert sink.status().broker == "disconnected"
    sink.info(info())
    send(sink, 1, 2, 3)
    sink.state(state("sad"))
    sink.state(state("happy"))
    assert sink.status().outbox_depth == 3
    assert not sink.drained()
    broker.start()
    subscriber = subscribe(broker)
    wait_until(sink.drained)
    send(sink, 4)
    subscriber.wait(lambda: 4 in subscriber.seqs)
    # Events are not retained: of the first three the subscriber may have missed any.
    assert subscriber.seqs == sorted(set(subscriber.seqs))
    assert [seen.json["replayed"] for seen in subscriber.of("event")] == [seq < 4 for seq in subscriber.seqs]
    assert [seen.json["emotion"] for seen in subscriber.of("state")] == ["happy"]
    logged = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert len(logged) == 2, logged
    assert "cannot be reached (Connection refused)" in logged[0]
    assert f"connected to the broker at 127.0.0.1:{broker.port}" in logged[1]


def test_persistent_session_receives_every_event_of_an_outage(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    broker.stop()
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 41))
    broker.start()
    wait_until(sink.drained)
    subscriber.wait(lambda: len(subscriber.seqs) >= 40)
    assert subscriber.seqs == list(range(1, 41))
    assert all(seen.json["replayed"] for seen in subscriber.of("event"))


def test_broker_restart_loses_and_reorders_nothing(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that is stopped has stored what it acknowledged, so each event must arrive.

    The sink sends each once, as nothing is in flight when the broker stops. The broker may deliver one twice, where it
    stops before the subscriber's acknowledgement has arrived.
    """
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    sink = make_sink(broker)
    sink.start()
    send(sink, *range(1, 21))
    wait_until(sink.drained)
    broker.stop()
    wait_until(lambda: sink.status().broker == "disconnected")
    send(sink, *range(21, 41))
    broker.start()
    wait_until(sink.drained)
    send(sink, *range(41, 61))
    wait_until(sink.drained)
    subscriber.wait(lambda: 60 in subscriber.seqs)
    assert list(dict.fromkeys(subscriber.seqs)) == list(range(1, 61))
    ours = r"Received PUBLISH from emotion-edge-cam \(d\d, q1, r0, m\d+, 'emotion-edge/cam/event'"
    assert len(re.findall(ours, broker.log())) == 60
    replayed = {seen.json["seq"] for seen in subscriber.of("event") if seen.json["replayed"]}
    assert replayed == set(range(21, 41))
    logged = [record.message for record in caplog.records]
    assert "connected to the broker" in logged[0]
    assert " was lost: " in logged[1]
    assert "connected to the broker" in logged[-1]
    # In between: that nothing listens there, once, however often it was tried. (A broker that is just stopping or
    # starting causes a few more kinds of error.)
    assert len(set(logged[1:-1])) == len(logged[1:-1]) <= 4, logged


def test_broker_kill_under_load_loses_no_unacknowledged_event(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink, tmp_path: Path
) -> None:
    """The broker has no persistence: only what the subscriber misses while it is disconnected may be missing."""
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()
    stop = threading.Event()
    sent = []

    def keep_sending() -> None:
        seq = 0
        while not stop.wait(0.005):
            seq += 1
            send(sink, seq)
            sent.append(seq)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        wait_until(lambda: len(sent) > 50)
        broker.kill()
        wait_until(lambda: len(on_disk(folder, tmp_path / "copy")) > 50)
        waiting = [seq for _, seq in on_disk(folder, tmp_path / "copy")]
        broker.start()
        subscriber = subscribe(broker)
        subscriber.wait(lambda: subscriber.seqs)
    finally:
        stop.set()
        sender.join()
    assert sink.close(10.0)
    assert_run(waiting, waiting[0], waiting[-1])
    subscriber.wait(lambda: sent[-1] in subscriber.seqs)
    assert_run(subscriber.seqs, subscriber.seqs[0], sent[-1])
    assert sink.status().outbox_dropped == 0


def test_full_outbox_drops_the_oldest(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_max_events=10)
    sink.start()
    send(sink, *range(1, 26))
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (10, 15)
    assert sink.close(0.2)
    logged = [record.message for record in caplog.records if record.message.startswith("the outbox is full")]
    assert logged == [
        "the outbox is full: more than 10 events wait (mqtt.outbox_max_events), or one for over 168 hours "
        "(mqtt.outbox_max_age_hours); the oldest are dropped from now on"
    ]


def test_repeated_failures_to_connect_are_logged_once(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    make_sink(broker).start()
    time.sleep(1.5)  # several attempts
    assert len(caplog.records) == 1


def test_long_outage_is_logged_again_after_the_reminder_interval(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, timing=Timing(remind_seconds=0.1))
    send(sink, 1, 2)
    sink.start()
    wait_until(lambda: len(caplog.records) > 1)
    reminder = caplog.records[1].message
    assert re.match(r"no connection for \d s: the broker at 127\.0\.0\.1", reminder)
    assert reminder.endswith("; 2 event(s) wait")


def test_beat_continues_during_a_long_wait_between_attempts_to_connect(
    make_broker: MakeBroker, make_sink: MakeSink
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, reconnect_max_seconds=3600.0, timing=Timing(first_wait_seconds=3600.0))
    assert sink.status().beat_monotonic is None
    sink.start()
    first = sink.status().beat_monotonic
    assert first is not None
    wait_until(lambda: sink.status().beat_monotonic >= first + 2)
    assert sink.status().broker == "disconnected"
    began = time.monotonic()
    assert sink.close(1.0)
    assert time.monotonic() - began < 15


def test_beat_continues_on_an_idle_connection(broker: PrivateBroker, make_sink: MakeSink) -> None:
    sink = make_sink(broker)
    sink.start()
    first = sink.status().beat_monotonic
    assert first is not None
    wait_until(lambda: sink.status().beat_monotonic >= first + 2)
    assert sink.status().broker == "connected"


def test_unstable_connection_is_logged_in_few_lines(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker disconnects the older of two sensors with the same id, each time the other connects."""
    caplog.set_level(logging.INFO, logger="edge.mqtt.broker_log")
    sinks = [make_sink(broker, reconnect_max_seconds=1.0) for _ in range(2)]
    for sink in sinks:
        sink.start()
    wait_until(lambda: broker.log().count("already connected, closing old connection") >= 12)
    for sink in sinks:
        assert sink.close(5.0)
    logged = [record.message for record in caplog.records]
    # Each of the two: three times that the connection was made and lost, and then that it is unstable.
    assert len(logged) <= 2 * (3 * 2 + 1 + 2), logged
    assert sum(line.startswith("the connection to the broker is unstable: ") for line in logged) >= 1
