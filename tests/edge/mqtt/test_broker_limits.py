"""The limits of a broker as a record, messages fitted to them, and sizes of packets compared with what is sent."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.broker_limits import BrokerLimits, publish_bytes, subscribe_bytes
from edge.mqtt.connector import Connector
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import OutgoingMessage, PacketTooLargeError, ProtocolVersion
from support.limited_broker import LimitedBroker
from support.mqtt import wait_until

LIMITS = st.builds(
    BrokerLimits,
    packet_bytes=st.integers(20, 10_000),
    receive_maximum=st.integers(1, 65_535),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    wildcards=st.booleans(),
)
TOPIC_NAMES = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=80)
MESSAGES = st.builds(
    OutgoingMessage,
    topic=TOPIC_NAMES.filter(lambda name: not name.startswith("$")),
    payload=st.binary(max_size=40) | st.integers(0, 40_000).map(bytes),
    qos=st.sampled_from([0, 1]),
    retain=st.booleans(),
    correlation=st.none() | st.binary(max_size=20) | st.integers(100, 200).map(bytes),
)


@given(limits=LIMITS, message=MESSAGES)
def test_fitted_message_keeps_the_limits_and_its_content(limits: BrokerLimits, message: OutgoingMessage) -> None:
    fitted = limits.fitted(message)
    assert fitted.qos <= limits.qos
    assert limits.retain or not fitted.retain
    assert replace(fitted, qos=message.qos, retain=message.retain) == message
    assert BrokerLimits().fitted(message) is message


@given(one=LIMITS, other=LIMITS)
def test_both_limits_hold_together(one: BrokerLimits, other: BrokerLimits) -> None:
    both = one.and_also(other)
    for limits in (one, other):
        assert both.and_also(limits) == both
        assert both.packet_bytes <= limits.packet_bytes
        assert set(limits.losses()) <= set(both.losses())


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (BrokerLimits(), []),
        (BrokerLimits(packet_bytes=100, receive_maximum=1), []),
        (BrokerLimits(qos=1), []),
        (BrokerLimits(retain=False), ["no retained messages"]),
        (BrokerLimits(qos=0), ["QoS 0 only"]),
        (BrokerLimits(wildcards=False), ["wildcards"]),
        (BrokerLimits(qos=0, retain=False, wildcards=False), ["no retained messages", "QoS 0 only", "wildcards"]),
    ],
)
def test_each_limit_that_costs_something_is_a_sentence(limits: BrokerLimits, words: list[str]) -> None:
    assert [word in sentence for word, sentence in zip(words, limits.losses(), strict=True)] == [True] * len(words)


@pytest.fixture(scope="module")
def connections():
    """A scripted broker, and an open connection to it with each version of MQTT."""
    with LimitedBroker() as five, LimitedBroker() as older:
        older.on_connect = lambda connect: (0x84 if connect.five else 0, b"")
        opened = {}
        for broker in (five, older):
            connection = Connector(broker_settings(MqttConfig(url=broker.url), {}), "tester").connect()
            opened[connection.protocol] = (broker, connection)
        yield opened
        for _, connection in opened.values():
            connection.close()


@pytest.mark.parametrize("protocol", list(ProtocolVersion))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=MESSAGES)
def test_computed_size_is_that_of_the_packet_on_the_wire(connections, protocol, message: OutgoingMessage) -> None:
    broker, connection = connections[protocol]
    before = len(broker.published)
    connection.publish(message)
    # The server answers on its own time; what is too long for the socket's buffer needs another poll.
    wait_until(lambda: connection.poll(0.0) or len(broker.published) > before)
    assert publish_bytes(message, protocol) == connection.packet_bytes(message) == broker.published[-1].packet_bytes


@pytest.mark.parametrize("length", [0, 1, 110, 111, 112, 113, 16_360, 16_361, 16_362, 16_363, 16_364, 2_097_130])
@pytest.mark.parametrize("protocol", list(ProtocolVersion))
def test_size_is_exact_where_the_length_field_grows(connections, protocol, length: int) -> None:
    broker, connection = connections[protocol]
    for extra in range(20 if length else 1):
        message = OutgoingMessage("a/b", bytes(length + extra), 1, retain=False)
        before = len(broker.published)
        connection.publish(message)
        wait_until(lambda before=before: connection.poll(0.0) or len(broker.published) > before)
        assert connection.packet_bytes(message) == broker.published[-1].packet_bytes


def test_packet_of_exactly_the_limit_is_sent_and_a_longer_one_is_not() -> None:
    with LimitedBroker() as broker:
        broker.on_connect = lambda _: (0, b"\x27\x00\x00\x00\x40")
        with Connector(broker_settings(MqttConfig(url=broker.url), {}), "tester").connect() as connection:
            assert connection.limits.packet_bytes == 64
            # 1 type, 1 length, 2 + 3 topic, 2 id, 1 properties
            connection.publish(OutgoingMessage("a/b", bytes(54), 1, retain=False))
            with pytest.raises(PacketTooLargeError, match="a packet of 65 bytes, and the broker accepts at most 64"):
                connection.publish(OutgoingMessage("a/b", bytes(55), 1, retain=False))
            assert connection.subscribe(["x" * 56]) is None
            assert "65 bytes" in str(connection.subscribe(["x" * 57]))
            assert subscribe_bytes(["x" * 57], ProtocolVersion.MQTT_5) == 65
            connection.close()
        assert [message.packet_bytes for message in broker.published] == [64]
        assert broker.subscribed == ["x" * 56]
