"""Those who speak and listen on the sensor's connection besides the sensor, against a real mosquitto."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from edge.commands.demo_broker import PrivateBroker
from edge.config.schema import MqttConfig
from edge.messages.topics import is_name, matches
from edge.mqtt.connection import Connection
from edge.mqtt.correspondence import SubscriptionPolicy
from edge.mqtt.dialler import Connector
from edge.mqtt.handlers import Publish, SendQueue
from edge.mqtt.publisher import MqttSink
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import ConnectionGoneError, OutgoingMessage, ReceivedMessage, SubscribeAck
from support.mqtt import Subscriber, assert_run, event, info, state, wait_until
from support.mqtt5 import Five

MakeSink = Callable[..., MqttSink]


class Parrot:
    """Says what it hears, on a topic of its own."""

    def __init__(self, *filters: str) -> None:
        self.filters = filters
        self.heard: list[ReceivedMessage] = []
        self.connections = 0
        self.post: Publish | None = None

    def connected(self, post: Publish) -> None:
        self.connections += 1
        self.post = post
        post(OutgoingMessage("parrot/hello", b"", 1, retain=False))

    def received(self, message: ReceivedMessage, post: Publish) -> None:
        self.heard.append(message)
        post(OutgoingMessage("parrot/says", message.payload, 1, retain=False))


def start(make_sink: MakeSink, broker: PrivateBroker, *correspondents: object, **settings: object) -> MqttSink:
    sink = make_sink(broker, *correspondents, **settings)
    sink.info(info())
    sink.state(state(None))
    sink.start()
    return sink


def topics(subscriber: Subscriber) -> list[str]:
    return [seen.topic for seen in subscriber.seen]


@pytest.fixture
def listener(broker: PrivateBroker) -> Iterator[Subscriber]:
    """A subscriber that hears topics of others too, so nothing is checked against a schema."""
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.close()


def test_its_own_word_comes_first(broker: PrivateBroker, listener: Subscriber, make_sink: MakeSink) -> None:
    parrot = Parrot("ask/+")
    sink = start(make_sink, broker, parrot)
    listener.wait(lambda: "parrot/hello" in topics(listener))
    assert topics(listener)[0] == "emotion-edge/cam/status"
    assert topics(listener).index("parrot/hello") > topics(listener).index("emotion-edge/cam/state")
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    listener.publish("ask/this", b"polly")
    listener.publish("elsewhere/this", b"nobody")
    listener.wait(lambda: "parrot/says" in topics(listener))
    assert [(heard.topic, heard.payload) for heard in parrot.heard] == [("ask/this", b"polly")]
    sink.event(event(1), time.monotonic())
    assert sink.close(5.0)
    assert parrot.post is not None
    assert not parrot.post(OutgoingMessage("parrot/late", b"", 1, retain=False))
    listener.wait(lambda: "stopped" in listener.statuses)
    assert "parrot/late" not in topics(listener)


def test_each_connection_anew(broker: PrivateBroker, make_sink: MakeSink) -> None:
    parrot = Parrot("ask/+")
    start(make_sink, broker, parrot)
    wait_until(lambda: parrot.connections == 1)
    broker.stop()
    broker.start()
    wait_until(lambda: parrot.connections == 2)
    other = Subscriber(broker.port)
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    other.publish("ask/this", b"again")
    other.wait(lambda: "parrot/says" in topics(other))
    other.close()


def test_question_and_answer_of_mqtt_5(broker: PrivateBroker, make_sink: MakeSink) -> None:
    class Answerer(Parrot):
        def received(self, message: ReceivedMessage, post: Publish) -> None:
            assert message.response_topic is not None
            post(OutgoingMessage(message.response_topic, b"yes", 1, retain=False, correlation=message.correlation))

    start(make_sink, broker, Answerer("ask/+"))
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    five = Five(broker.port)
    five.ask("ask/this", b"?", "answers/mine", b"\0\xff42")
    wait_until(lambda: five.seen)
    assert five.seen == [("answers/mine", b"yes", b"\0\xff42")]
    five.close()


def test_a_correspondent_that_fails_costs_nothing_but_a_line(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(Parrot):
        def connected(self, post: Publish) -> None:
            post(OutgoingMessage("not/a/+/name", b"", 1, retain=False))

        def received(self, message: ReceivedMessage, post: Publish) -> None:  # noqa: ARG002
            raise RuntimeError(message.topic)

    parrot = Parrot("emotion-edge/cam/event")
    sink = start(make_sink, broker, Clumsy("emotion-edge/cam/event"), parrot)
    for seq in range(1, 11):
        sink.event(event(seq), time.monotonic())
    wait_until(lambda: len(parrot.heard) == 10)
    assert sink.status().failure is None
    assert sink.status().broker == "connected"
    failures = [record for record in caplog.records if "Clumsy failed" in record.message]
    assert [record.levelno for record in failures] == [logging.ERROR]
    assert "no topic that can be published to" in str(failures[0].exc_info)


def test_messages_of_a_giant_never_arrive(broker: PrivateBroker, make_sink: MakeSink) -> None:
    parrot = Parrot("ask/+")
    sink = start(make_sink, broker, parrot)
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    asker = Subscriber(broker.port)
    asker.publish("ask/this", bytes(1_000_000))
    asker.publish("ask/this", b"small")
    wait_until(lambda: parrot.heard)
    assert [heard.payload for heard in parrot.heard] == [b"small"]
    assert sink.status().broker == "connected"
    assert parrot.connections == 1
    asker.close()


def test_more_than_the_broker_takes_is_not_sent(
    make_broker: Callable[..., PrivateBroker], make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(extra=["max_packet_size 2000"])
    broker.start()
    parrot = Parrot()
    sink = start(make_sink, broker, parrot)
    wait_until(lambda: parrot.post)
    assert parrot.post is not None
    assert parrot.post(OutgoingMessage("parrot/long", bytes(3000), 1, retain=False))
    wait_until(lambda: "the broker takes 2000" in caplog.text)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert parrot.connections == 1


def test_a_backlog_leaves_room_for_posts(broker: PrivateBroker, listener: Subscriber, make_sink: MakeSink) -> None:
    parrot = Parrot()
    sink = make_sink(broker, parrot, replay_per_second=10_000.0)
    for seq in range(1, 3001):
        sink.event(event(seq), time.monotonic())
    sink.start()
    listener.wait(lambda: len(listener.seqs) == 3000)
    assert_run(listener.seqs, 1, 3000)
    assert "parrot/hello" in topics(listener)[:500]


def test_subscription_that_the_broker_refuses(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No setting makes this mosquitto refuse one: the answer that one gives is put in the place of its own.
    taken = Connection.take_subscribed
    monkeypatch.setattr(
        Connection,
        "take_subscribed",
        lambda self: [SubscribeAck(one.mid, ("Not authorized",) * len(one.refusals)) for one in taken(self)],
    )
    sink = start(make_sink, broker, Parrot("ask/+"))
    wait_until(lambda: "refuses the subscription to ask/+: Not authorized" in caplog.text)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert sink.status().failure is None


def test_a_broker_that_hangs_up_over_a_subscription_gets_events_all_the_same(
    broker: PrivateBroker, listener: Subscriber, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def hang_up(self: Connection, filters: list[str]) -> int:
        asked.append(filters)
        self._ended = "it ended the connection: Not authorized"
        return len(asked)

    monkeypatch.setattr(Connection, "ask_subscription", hang_up)
    sink = start(make_sink, broker, Parrot("ask/+"), reconnect_max_seconds=1.0)
    wait_until(lambda: len(asked) == 3)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert set(listener.seqs) == {1}
    assert len(asked) == 3


def test_patience_lasts_for_three() -> None:
    class Ended:
        def __init__(self, *, answered: bool, unanswered: bool) -> None:
            self.answered, self.unanswered = answered, unanswered

    patience = SubscriptionPolicy()
    silent = Ended(answered=False, unanswered=True)
    for connection in (silent, silent, Ended(answered=True, unanswered=False), silent, silent):
        patience.ended(connection)  # type: ignore[arg-type]
        assert patience.left
    patience.ended(silent)  # type: ignore[arg-type]
    assert not patience.left


def test_mailbox_keeps_the_times_and_its_bounds() -> None:
    box = SendQueue(lambda: None)
    assert box.seconds_to_next() == float("inf")
    assert box.post(OutgoingMessage("late", b"", 1, retain=False), 60.0)
    assert 59 < box.seconds_to_next() <= 60
    assert box.take() is None
    for number in range(63):
        assert box.post(OutgoingMessage("now", str(number).encode(), 1, retain=False))
    assert not box.post(OutgoingMessage("now", b"too many", 1, retain=False))
    assert [box.take().payload for _ in range(63)] == [str(number).encode() for number in range(63)]  # type: ignore[union-attr]
    assert box.take() is None
    assert box.close() == 1
    assert not box.post(OutgoingMessage("now", b"", 1, retain=False))


def test_mailbox_keeps_the_last_retained_word() -> None:
    box = SendQueue(lambda: None)
    for number in range(100):
        assert box.post(OutgoingMessage("config", str(number).encode(), 1, retain=True))
        assert number or box.post(OutgoingMessage("config", b"once", 1, retain=False))
    taken = [box.take(), box.take(), box.take()]
    assert [message and message.payload for message in taken] == [b"once", b"99", None]


@pytest.mark.parametrize("topic", ["", "a/#", "+/a", "a\0b", "$SYS/broker", "x" * 65_536, "\ud800"])
def test_what_cannot_be_published_to(topic: str) -> None:
    assert not is_name(topic)
    with pytest.raises(ValueError, match="no topic"):
        SendQueue(lambda: None).post(OutgoingMessage(topic, b"", 1, retain=False))


LEVEL = st.text("ab$", max_size=2)


@given(
    st.lists(LEVEL, min_size=1, max_size=4).map("/".join),
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=4),
    st.booleans(),
)
def test_filters_match_as_in_the_mqtt_library(topic: str, parts: list[str], rest: bool) -> None:  # noqa: FBT001
    name = "/".join([*parts, "#"] if rest else parts)
    assert matches(name, topic) == topic_matches_sub(name, topic), (name, topic)


def test_dropped_connection_ends_a_wait_for_the_subscription(broker: PrivateBroker) -> None:
    with Connector(broker_settings(MqttConfig(url=broker.url), {}), "tester").connect() as connection:
        broker.stop()
        with pytest.raises(ConnectionGoneError):
            connection.subscribe(["a"])
