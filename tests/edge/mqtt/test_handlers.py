"""Covers message handlers on the sensor's connection to a real mosquitto, and the queue of their messages."""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from edge.config.mqtt_schema import MqttConfig
from edge.messages.topics import is_topic_name, topic_matches
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.dispatcher import SubscriptionPolicy
from edge.mqtt.handlers import MessageHandler, Publish, SendQueue
from edge.mqtt.settings import broker_settings
from edge.mqtt.sink import MqttSink
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, ReceivedMessage, SubscribeAck
from support.broker import PrivateBroker
from support.mqtt import Subscriber, assert_run, event, info, state, wait_until
from support.mqtt5 import Requester

MakeSink = Callable[..., MqttSink]
SUBSCRIBE = 8
"""Type of the packet."""


class EchoHandler:
    """Publishes to `echo/connected` at each connection, and each received payload to `echo/reply`."""

    def __init__(self, *filters: str) -> None:
        self.filters = filters
        self.messages: list[ReceivedMessage] = []
        self.connections = 0
        self.publish: Publish | None = None

    def connected(self, publish: Publish) -> None:
        self.connections += 1
        self.publish = publish
        publish(OutgoingMessage("echo/connected", b"", 1, retain=False))

    def received(self, message: ReceivedMessage, publish: Publish) -> None:
        self.messages.append(message)
        publish(OutgoingMessage("echo/reply", message.payload, 1, retain=False))


class SubscribeRefusingProxy:
    """A TCP proxy before a broker that closes the connection when the client sends SUBSCRIBE."""

    def __init__(self, broker_port: int) -> None:
        self.subscriptions = 0
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                    self._forward(client, broker)

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        from_client = bytearray()
        while True:
            for source in select.select([client, broker], [], [])[0]:
                data = source.recv(4096)
                if not data:
                    return
                if source is broker:
                    client.sendall(data)
                    continue
                from_client += data
                for packet in take_packets(from_client):
                    if packet[0] >> 4 == SUBSCRIBE:
                        self.subscriptions += 1
                        return
                    broker.sendall(packet)


def take_packets(buffer: bytearray) -> Iterator[bytes]:
    """Remove the complete MQTT packets from the head of `buffer`, and give them."""
    while True:
        size = 0
        for number, byte in enumerate(buffer[1:5]):
            size += (byte & 0x7F) << 7 * number
            if byte < 0x80:
                break
        else:
            return
        end = 2 + number + size
        if len(buffer) < end:
            return
        yield bytes(buffer[:end])
        del buffer[:end]


def start(make_sink: MakeSink, broker: PrivateBroker, *handlers: MessageHandler, **settings: object) -> MqttSink:
    sink = make_sink(broker, *handlers, **settings)
    sink.info(info())
    sink.state(state(None))
    sink.start()
    return sink


def topics(subscriber: Subscriber) -> list[str]:
    return [seen.topic for seen in subscriber.seen]


@pytest.fixture
def listener(broker: PrivateBroker) -> Iterator[Subscriber]:
    """A subscriber that receives foreign topics too, so that nothing is checked against a schema."""
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.close()


def test_messages_of_handlers_come_after_status_and_state(
    broker: PrivateBroker, listener: Subscriber, make_sink: MakeSink
) -> None:
    handler = EchoHandler("ask/+")
    sink = start(make_sink, broker, handler)
    listener.wait(lambda: "echo/connected" in topics(listener))
    assert topics(listener)[0] == "emotion-edge/cam/status"
    assert topics(listener).index("echo/connected") > topics(listener).index("emotion-edge/cam/state")
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    listener.publish("ask/this", b"hello")
    listener.publish("elsewhere/this", b"ignored")
    listener.wait(lambda: "echo/reply" in topics(listener))
    assert [(message.topic, message.payload) for message in handler.messages] == [("ask/this", b"hello")]
    sink.event(event(1), time.monotonic())
    assert sink.close(5.0)
    assert handler.publish is not None
    assert not handler.publish(OutgoingMessage("echo/late", b"", 1, retain=False))
    listener.wait(lambda: "stopped" in listener.statuses)
    assert "echo/late" not in topics(listener)


def test_handlers_subscribe_at_each_connection(broker: PrivateBroker, make_sink: MakeSink) -> None:
    handler = EchoHandler("ask/+")
    start(make_sink, broker, handler)
    wait_until(lambda: handler.connections == 1)
    broker.stop()
    broker.start()
    wait_until(lambda: handler.connections == 2)
    other = Subscriber(broker.port)
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    other.publish("ask/this", b"again")
    other.wait(lambda: "echo/reply" in topics(other))
    other.close()


def test_request_and_response_of_mqtt_5(broker: PrivateBroker, make_sink: MakeSink) -> None:
    class Responder(EchoHandler):
        def received(self, message: ReceivedMessage, publish: Publish) -> None:
            assert message.response_topic is not None
            publish(OutgoingMessage(message.response_topic, b"yes", 1, retain=False, correlation=message.correlation))

    start(make_sink, broker, Responder("ask/+"))
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    requester = Requester(broker.port)
    requester.request("ask/this", b"?", "answers/mine", b"\0\xff42")
    wait_until(lambda: requester.seen)
    assert requester.seen == [("answers/mine", b"yes", b"\0\xff42")]
    requester.close()


def test_failing_handler_is_logged_once_and_costs_nothing_else(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(EchoHandler):
        def connected(self, publish: Publish) -> None:
            publish(OutgoingMessage("not/a/+/name", b"", 1, retain=False))

        def received(self, message: ReceivedMessage, publish: Publish) -> None:  # noqa: ARG002
            raise RuntimeError(message.topic)

    handler = EchoHandler("emotion-edge/cam/event")
    sink = start(make_sink, broker, Failing("emotion-edge/cam/event"), handler)
    for seq in range(1, 11):
        sink.event(event(seq), time.monotonic())
    wait_until(lambda: len(handler.messages) == 10)
    assert sink.status().failure is None
    assert sink.status().broker == "connected"
    failures = [record for record in caplog.records if "Failing failed on a message or connection" in record.message]
    assert [record.levelno for record in failures] == [logging.ERROR]
    assert "no topic that can be published to" in str(failures[0].exc_info)


def test_message_larger_than_the_limit_is_not_received(broker: PrivateBroker, make_sink: MakeSink) -> None:
    handler = EchoHandler("ask/+")
    sink = start(make_sink, broker, handler)
    wait_until(lambda: "ask/+ (QoS 1)" in broker.log())
    client = Subscriber(broker.port)
    client.publish("ask/this", bytes(1_000_000))
    client.publish("ask/this", b"small")
    wait_until(lambda: handler.messages)
    assert [message.payload for message in handler.messages] == [b"small"]
    assert sink.status().broker == "connected"
    assert handler.connections == 1
    client.close()


def test_message_larger_than_the_brokers_limit_is_dropped(
    make_broker: Callable[..., PrivateBroker], make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(extra=["max_packet_size 2000"])
    broker.start()
    handler = EchoHandler()
    sink = start(make_sink, broker, handler)
    wait_until(lambda: handler.publish)
    assert handler.publish is not None
    assert handler.publish(OutgoingMessage("echo/long", bytes(3000), 1, retain=False))
    wait_until(lambda: "the broker accepts at most 2000" in caplog.text)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert handler.connections == 1


def test_backlog_does_not_block_messages_of_handlers(
    broker: PrivateBroker, listener: Subscriber, make_sink: MakeSink
) -> None:
    handler = EchoHandler()
    sink = make_sink(broker, handler, replay_per_second=10_000.0)
    for seq in range(1, 1001):
        sink.event(event(seq), time.monotonic())
    sink.start()
    listener.wait(lambda: len(listener.seqs) == 1000)
    assert_run(listener.seqs, 1, 1000)
    assert "echo/connected" in topics(listener)[:500]


def test_refused_subscription_is_logged_and_events_are_published(
    broker: PrivateBroker, make_sink: MakeSink, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No setting makes this mosquitto refuse a subscription: its SUBACK is replaced by that of a broker that does.
    take = Connection.take_subscribe_acks
    monkeypatch.setattr(
        Connection,
        "take_subscribe_acks",
        lambda self: [SubscribeAck(ack.mid, ("Not authorized",) * len(ack.refusals)) for ack in take(self)],
    )
    sink = start(make_sink, broker, EchoHandler("ask/+"))
    wait_until(lambda: "refused the subscription to ask/+: Not authorized" in caplog.text)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert sink.status().failure is None


def test_broker_that_closes_the_connection_on_a_subscription_still_gets_events(
    broker: PrivateBroker, listener: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = SubscribeRefusingProxy(broker.port)
    sink = MqttSink(MqttConfig(url=proxy.url, reconnect_max_seconds=1.0), "cam", [EchoHandler("ask/+")])
    sink.start()
    wait_until(lambda: "nothing is subscribed to until the next start" in caplog.text)
    sink.event(event(1), time.monotonic())
    wait_until(sink.drained)
    assert sink.close(5.0)
    proxy.close()
    assert set(listener.seqs) == {1}
    # With the first one a message was under way as well, so that it proves nothing.
    assert proxy.subscriptions == 4


def test_policy_stops_subscribing_after_three_lost_connections_in_a_row() -> None:
    policy = SubscriptionPolicy()
    for pending in (True, True, False, True, True):
        policy.connection_ended(acknowledged=not pending, pending=pending)
        assert policy.may_subscribe
    policy.connection_ended(acknowledged=False, pending=False)  # lost before it subscribed
    assert policy.may_subscribe
    policy.connection_ended(acknowledged=False, pending=True)
    assert not policy.may_subscribe


def test_queue_sends_in_order_of_time_and_is_bounded() -> None:
    queue = SendQueue(lambda: None)
    assert queue.seconds_to_next() == float("inf")
    assert queue.publish(OutgoingMessage("late", b"", 1, retain=False), 60.0)
    assert 59 < queue.seconds_to_next() <= 60
    assert queue.take() is None
    for number in range(63):
        assert queue.publish(OutgoingMessage("now", str(number).encode(), 1, retain=False))
    assert not queue.publish(OutgoingMessage("now", b"too many", 1, retain=False))
    assert [queue.take().payload for _ in range(63)] == [str(number).encode() for number in range(63)]  # type: ignore[union-attr]
    assert queue.take() is None
    assert queue.close() == 1
    assert not queue.publish(OutgoingMessage("now", b"", 1, retain=False))


def test_queue_replaces_a_retained_message_that_still_waits() -> None:
    queue = SendQueue(lambda: None)
    for number in range(100):
        assert queue.publish(OutgoingMessage("config", str(number).encode(), 1, retain=True))
        assert number or queue.publish(OutgoingMessage("config", b"once", 1, retain=False))
    taken = [queue.take(), queue.take(), queue.take()]
    assert [message and message.payload for message in taken] == [b"once", b"99", None]


@pytest.mark.parametrize("topic", ["", "a/#", "+/a", "a\0b", "$SYS/broker", "x" * 65_536, "\ud800"])
def test_queue_rejects_topics_that_cannot_be_published_to(topic: str) -> None:
    assert not is_topic_name(topic)
    with pytest.raises(ValueError, match="no topic"):
        SendQueue(lambda: None).publish(OutgoingMessage(topic, b"", 1, retain=False))


LEVEL = st.text("ab$", max_size=2)


@given(
    st.lists(LEVEL, min_size=1, max_size=4).map("/".join),
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=4),
    st.booleans(),
)
def test_filters_match_as_in_paho(topic: str, parts: list[str], rest: bool) -> None:  # noqa: FBT001
    name = "/".join([*parts, "#"] if rest else parts)
    assert topic_matches(name, topic) == topic_matches_sub(name, topic), (name, topic)


def test_subscribe_raises_where_the_connection_is_lost(broker: PrivateBroker) -> None:
    with Connector(broker_settings(MqttConfig(url=broker.url), {}), "tester").connect() as connection:
        broker.stop()
        with pytest.raises(ConnectionLostError):
            connection.subscribe(["a"])
