"""Covers connections that hang without breaking: what grows old in them is bounded, and what is old is marked.

The broker is suspended, or a proxy stops forwarding.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from edge.mqtt.ack_watch import AckTimes
from edge.mqtt.send_window import LIVE_WINDOW
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.faults import Network
from support.limited_broker import SILENCE, LimitedBroker, Published
from support.mqtt import Subscriber, event, send, state, wait_until

MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]
LATE_SECONDS = 0.4
QUICK = Timing(
    first_wait_seconds=0.1,
    settle_seconds=0.05,
    late_seconds=LATE_SECONDS,
    ack=AckTimes(stall=0.2, ping=0.3, dead=60.0, unanswered=60.0),
)
"""A tenth of the real times, of which only the order matters, and no end of the connection."""


@contextmanager
def stopped(broker: PrivateBroker) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def feed(sink: MqttSink, first: int, last: int, seconds: float) -> dict[int, float]:
    """Add events evenly over `seconds`, with the state as the daemon publishes it; returns when each was added."""
    times = {}
    for seq in range(first, last + 1):
        times[seq] = time.monotonic()
        send(sink, seq)
        sink.state(state())
        time.sleep(seconds / (last - first + 1))
    return times


def check(subscriber: Subscriber, last: int, hung: range) -> None:
    """Of the events in `hung` no more arrive without a mark than may be in flight; all arrive, in order."""
    arrived: dict[int, bool] = {}
    for seen in subscriber.of("event"):
        arrived.setdefault(seen.json["seq"], seen.json["replayed"])
    assert list(arrived) == list(range(1, last + 1))
    unmarked = [seq for seq in hung if not arrived[seq]]
    # Those at the end were younger than the limit when the broker went on.
    assert len([seq for seq in unmarked if seq < hung[-1] - len(hung) // 3]) <= LIVE_WINDOW
    assert any(arrived[seq] for seq in hung)


def test_few_events_grow_old_unmarked_behind_a_suspended_broker(
    broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker, timing=QUICK)
    sink.start()
    send(sink, *range(1, 11))
    wait_until(sink.drained)
    with stopped(broker):
        feed(sink, 11, 40, seconds=1.5)
        # The connection still stands: that alone must not count.
        assert sink.status().broker == "connected"
    wait_until(sink.drained)
    subscriber.wait(lambda: 40 in subscriber.seqs)
    check(subscriber, 40, range(11, 41))
    assert len([seen for seen in subscriber.of("state") if seen]) < 30  # only the latest state is of use


def test_few_events_grow_old_unmarked_in_a_network_that_stops(
    broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    network = Network(broker.port, random.Random(1))
    try:
        subscriber = subscribe(broker)
        sink = make_sink(network, timing=QUICK)
        sink.start()
        send(sink, *range(1, 11))
        wait_until(sink.drained)
        with network.held():
            feed(sink, 11, 40, seconds=1.5)
        wait_until(sink.drained)
        subscriber.wait(lambda: 40 in subscriber.seqs)
        check(subscriber, 40, range(11, 41))
        assert sink.close(5.0)
    finally:
        network.close()


def test_broker_that_answers_nothing_is_given_up(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture, subscribe: Subscribe
) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker, timing=replace(QUICK, connect_seconds=0.3, ack=AckTimes(0.1, 0.2, 0.6, 60.0)))
    sink.start()
    with stopped(broker):
        send(sink, 1)
        wait_until(lambda: sink.status().broker == "disconnected")
        send(sink, 2)
        # The line is logged a moment after the status has changed.
        wait_until(lambda: "the broker has answered nothing for 1 s" in caplog.text)
    wait_until(sink.drained)
    subscriber.wait(lambda: 2 in subscriber.seqs)
    copies = [(seen.json["seq"], seen.json["replayed"]) for seen in subscriber.of("event")]
    assert copies[-1] == (2, True)
    assert {copy for copy in copies if copy[0] == 1} <= {(1, False), (1, True)}


@pytest.fixture
def scripted() -> Iterator[LimitedBroker]:
    with LimitedBroker() as broker:
        yield broker


def test_message_that_a_living_broker_never_acknowledges_is_dropped(
    scripted: LimitedBroker, make_sink: MakeSink
) -> None:
    """Some brokers with MQTT 3.1.1 drop what is too long without a word, the acknowledgement with it."""
    scripted.on_connect = lambda connect: (0x84 if connect.five else 0, b"")

    def answer(message: Published) -> int | str:
        return SILENCE if message.packet_bytes > 800 else 0

    scripted.on_publish = answer
    sink = make_sink(scripted, timing=replace(QUICK, ack=AckTimes(0.1, 0.15, 60.0, 0.4)))
    sink.start()
    send(sink, 1)
    wait_until(sink.drained)
    groups = {f"group number {number}": 0.5 for number in range(40)}
    sink.event(event(2, groups=groups), time.monotonic())
    send(sink, 3)
    wait_until(sink.drained)
    assert scripted.pings
    assert sink.status().outbox_dropped == 1
    assert b'"seq":3,' in scripted.of("event")[-1].payload


def test_event_is_marked_by_its_age_when_it_is_handed_over(
    broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    subscriber = subscribe(broker)
    sink = make_sink(broker, timing=replace(QUICK, late_seconds=0.0))
    sink.start()
    send(sink, 1)
    subscriber.wait(lambda: subscriber.seqs)
    assert subscriber.of("event")[0].json["replayed"]
    assert event(1).replayed is False
