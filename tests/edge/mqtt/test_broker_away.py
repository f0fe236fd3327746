"""The sink and a real mosquitto that is away for a while."""

import logging
import re
import threading
import time
from collections.abc import Callable

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.mqtt.publisher import MqttSink
from support.mqtt import Subscriber, assert_run, info, send, state, wait_until

MakeBroker = Callable[..., PrivateBroker]
Subscribe = Callable[..., Subscriber]
MakeSink = Callable[..., MqttSink]


def test_broker_absent_at_start(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge")
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    began = time.monotonic()
    sink.start()
    assert time.monotonic() - began < 5.5
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
    # Nothing is retained for who subscribes after an event, so any of the first three may be missed.
    assert subscriber.seqs == sorted(set(subscriber.seqs))
    assert [seen.json["replayed"] for seen in subscriber.of("event")] == [seq < 4 for seq in subscriber.seqs]
    assert [seen.json["emotion"] for seen in subscriber.of("state")] == ["happy"]
    said = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert len(said) == 2, said
    assert "cannot be reached (Connection refused)" in said[0]
    assert f"connected to the broker at 127.0.0.1:{broker.port}" in said[1]


def test_events_of_before_the_broker_reach_a_waiting_subscriber(
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


def test_broker_restarted_in_the_middle(
    make_broker: MakeBroker, subscribe: Subscribe, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that ends in good order has stored what it acknowledged, so each event must arrive.

    We send each once, as nothing of ours is under way when the broker goes. It may pass one on twice,
    where it goes before the subscriber's acknowledgement came.
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
    said = [record.message for record in caplog.records]
    assert "connected to the broker" in said[0]
    assert "is gone: " in said[1]
    assert "connected to the broker" in said[-1]
    # In between: that nothing listens there now, once, however often it was tried. (A broker that is just
    # ending or starting has a few more ways to say so.)
    assert len(set(said[1:-1])) == len(said[1:-1]) <= 4, said


def test_broker_killed_under_load_loses_nothing_that_it_did_not_acknowledge(
    broker: PrivateBroker, subscribe: Subscribe, make_sink: MakeSink
) -> None:
    """Without persistence, so the subscriber's own gap while the broker is down is what may be missing."""
    sink = make_sink(broker)
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
        wait_until(lambda: sink.status().outbox_depth > 50)
        before = sink._pending._outbox.pending_seqs()
        broker.start()
        subscriber = subscribe(broker)
        subscriber.wait(lambda: subscriber.seqs)
    finally:
        stop.set()
        sender.join()
    assert sink.close(10.0)
    assert_run(before, before[0], before[-1])
    subscriber.wait(lambda: sent[-1] in subscriber.seqs)
    assert_run(subscriber.seqs, subscriber.seqs[0], sent[-1])
    assert sink.status().outbox_dropped == 0


def test_full_outbox_keeps_the_newest(
    make_broker: MakeBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker, outbox_max_events=10)
    sink.start()
    send(sink, *range(1, 26))
    assert (sink.status().outbox_depth, sink.status().outbox_dropped) == (10, 15)
    assert sink.close(0.2)
    said = [record.message for record in caplog.records if record.message.startswith("the outbox is full")]
    assert said == [
        "the outbox is full: more than 10 events wait, or one for over 168 hours; from now on the oldest go"
    ]


def test_a_broker_that_is_away_for_long_is_a_line_an_hour(
    make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    sink.start()
    send(sink, 1, 2)
    time.sleep(1.5)  # several tries
    assert len(caplog.records) == 1
    monkeypatch.setattr(sink._silence._absence, "_remind_seconds", 0.1)
    wait_until(lambda: len(caplog.records) > 1)
    reminder = caplog.records[1].message
    assert re.match(r"still no broker, for \d s: the broker at 127\.0\.0\.1", reminder)
    assert reminder.endswith("; 2 event(s) wait")


def test_a_long_wait_between_two_tries_shows_that_nothing_hangs(
    make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make_broker()
    broker.reserve()
    sink = make_sink(broker)
    assert sink.status().beat_monotonic is None
    monkeypatch.setattr(sink._backoff, "next_seconds", lambda: 1000.0)
    sink.start()
    first = sink.status().beat_monotonic
    assert first is not None
    wait_until(lambda: sink.status().beat_monotonic >= first + 2)
    assert sink.status().broker == "disconnected"
    began = time.monotonic()
    assert sink.close(1.0)
    assert time.monotonic() - began < 15


def test_a_connection_on_which_nothing_happens_does_too(broker: PrivateBroker, make_sink: MakeSink) -> None:
    sink = make_sink(broker)
    sink.start()
    first = sink.status().beat_monotonic
    assert first is not None
    wait_until(lambda: sink.status().beat_monotonic >= first + 2)
    assert sink.status().broker == "connected"


def test_a_broker_that_hangs_up_each_time_is_few_lines(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """Two sensors of one name throw each other out for as long as somebody lets them."""
    caplog.set_level(logging.INFO, logger="edge.mqtt.silence")
    sinks = [make_sink(broker, reconnect_max_seconds=1.0) for _ in range(2)]
    for sink in sinks:
        sink.start()
    wait_until(lambda: broker.log().count("already connected, closing old connection") >= 12)
    for sink in sinks:
        assert sink.close(5.0)
    said = [record.message for record in caplog.records]
    # Each of the two: three times that it is there and that it went, and then that this goes on.
    assert len(said) <= 2 * (3 * 2 + 1 + 2), said
    assert sum(line.startswith("the broker comes and goes: ") for line in said) >= 1
