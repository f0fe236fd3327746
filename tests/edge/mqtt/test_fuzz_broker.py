"""Fuzzes what a broker answers: any CONNACK, PUBACK or SUBACK is used, or ends the connection with one sentence."""

import contextlib
import logging
import unicodedata

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from edge.config.credentials import parse_broker_url
from edge.mqtt.connection import Connection
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, ProtocolVersion, PublishAck
from support.fuzzing import fuzz
from support.scripted_broker import CONNECT, PUBLISH, SUBSCRIBE, ScriptedBroker, packet, variable_length

LONGEST_MESSAGE = 600
WILL = OutgoingMessage("emotion-edge/cam/status", b"offline", 1, retain=True)
EVENT = OutgoingMessage("emotion-edge/cam/event", b"{}", 1, retain=False)
CONNACK, PUBACK, SUBACK = 2, 4, 9

BYTE_PROPERTIES = {0x24: "maximum QoS", 0x25: "retain available", 0x28: "wildcard", 0x29: "id", 0x2A: "shared"}
SHORT_PROPERTIES = {0x21: "receive maximum", 0x22: "topic alias maximum", 0x13: "server keep alive"}
LONG_PROPERTIES = {0x11: "session expiry", 0x27: "maximum packet size"}
TEXT_PROPERTIES = {0x12: "assigned client id", 0x1F: "reason", 0x1A: "response information", 0x1C: "server reference"}


def number(length: int) -> st.SearchStrategy[bytes]:
    """An integer of `length` bytes, with its limits more often than others."""
    most = 256**length - 1
    values = st.sampled_from([0, 1, 2, most // 2, most]) | st.integers(0, most)
    return values.map(lambda value: value.to_bytes(length, "big"))


def text() -> st.SearchStrategy[bytes]:
    """A string with its length, which is wrong now and then, or holds what UTF-8 or MQTT do not allow."""
    content = st.text(max_size=20).map(lambda value: value.encode(errors="surrogatepass")) | st.binary(max_size=20)
    return st.tuples(content, st.sampled_from([0, 0, 0, 1, -1, 9000])).map(
        lambda both: max(0, len(both[0]) + both[1]).to_bytes(2, "big") + both[0]
    )


PROPERTY = st.one_of(
    st.tuples(st.sampled_from(sorted(BYTE_PROPERTIES)), number(1)),
    st.tuples(st.sampled_from(sorted(SHORT_PROPERTIES)), number(2)),
    st.tuples(st.sampled_from(sorted(LONG_PROPERTIES)), number(4)),
    st.tuples(st.sampled_from(sorted(TEXT_PROPERTIES)), text()),
    st.tuples(st.just(0x26), st.tuples(text(), text()).map(b"".join)),  # user property
    st.tuples(st.integers(0, 255), st.binary(max_size=6)),  # any, also one that a CONNACK may not have
).map(lambda pair: bytes([pair[0]]) + pair[1])
PROPERTIES = st.lists(PROPERTY, max_size=6).map(b"".join).map(lambda data: variable_length(len(data)) + data)

REASON_CODES = st.sampled_from(
    [0, 1, 5, 0x80, 0x81, 0x84, 0x85, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9F, 0xA2]
) | st.integers(0, 255)
CONNACKS = st.one_of(
    st.tuples(st.sampled_from([0, 1, 255]), REASON_CODES, PROPERTIES).map(
        lambda parts: packet(CONNACK, bytes(parts[:2]) + parts[2])
    ),
    st.tuples(st.sampled_from([0, 1]), REASON_CODES).map(lambda parts: packet(CONNACK, bytes(parts))),
    st.binary(max_size=30).map(lambda body: packet(CONNACK, body)),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x20\xff\xff\xff\xff\xff",  # a length that is none
            packet(CONNACK, b"\0\0\0") * 2,
            packet(14, b"\x8e\0"),  # DISCONNECT: session taken over
            packet(14, b"\xff\0"),
            packet(15, b"\x18\0"),  # AUTH
        ]
    ),
)
ACCEPTED = {ProtocolVersion.MQTT_5: packet(CONNACK, b"\0\0\0"), ProtocolVersion.MQTT_311: packet(CONNACK, b"\0\0")}


@st.composite
def acks(draw: st.DrawFn, kind: int) -> bytes:
    """What follows a PUBLISH or SUBSCRIBE: an acknowledgement with any reason, another packet, or garbage."""
    codes = b"".join(draw(st.lists(REASON_CODES.map(lambda code: bytes([code])), max_size=3)))
    properties = draw(st.sampled_from([b"", b"\0"]) | PROPERTIES)
    mid = draw(st.sampled_from([b"{mid}", b"{mid}", b"{mid}", b"\0\0", b"\xff\xff"]))
    body = mid + codes + properties if kind == PUBACK else mid + properties + codes
    # The message id has two bytes in the place of the five of the placeholder.
    length = len(body) - (len(b"{mid}") - 2 if mid == b"{mid}" else 0)
    head = bytes([kind << 4]) + variable_length(length)
    other = st.binary(max_size=30) | st.integers(0, 15).map(lambda any_kind: packet(any_kind, b"{mid}\0"[:7]))
    return draw(st.one_of(st.just(head + body), st.just(head + body), other))


@pytest.fixture(scope="module")
def server():
    server = ScriptedBroker()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_log():
    logging.getLogger("edge.mqtt.paho_client").setLevel(logging.INFO)


def connection(server: ScriptedBroker, protocol: ProtocolVersion) -> Connection:
    settings = BrokerSettings(
        parse_broker_url(f"mqtt://127.0.0.1:{server.port}"), "viewer", "hunter2-Zq7", None, keepalive_seconds=30
    )
    return Connection(settings, "emotion-edge-cam", WILL, protocol)


def check_sentence(error: Exception) -> None:
    """A sentence that a person can read, on one line, without the password."""
    sentence = str(error)
    assert sentence.strip()
    assert len(sentence) < LONGEST_MESSAGE
    assert not [one for one in sentence if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}], sentence
    assert "hunter2" not in sentence
    assert "Traceback" not in sentence


def until_lost(one: Connection, acks: list[PublishAck]) -> Exception:
    """Poll until the connection is lost, and return why; `acks` gets the acknowledgements."""
    for _ in range(100):
        try:
            one.poll()
        except ConnectionLostError as error:
            return error
        finally:
            acks += one.take_publish_acks()
    pytest.fail("the end of the connection was not noticed")


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(st.sampled_from(ProtocolVersion), CONNACKS)
@example(ProtocolVersion.MQTT_5, packet(CONNACK, b"\0\0\x05\x27\0\0\0\0"))  # maximum packet size 0
@example(ProtocolVersion.MQTT_5, packet(CONNACK, b"\0\0\x03\x21\0\0"))  # receive maximum 0
@example(ProtocolVersion.MQTT_5, packet(CONNACK, b"\0\x9a\0"))  # retain not supported
def test_any_connack_opens_the_connection_or_is_one_sentence(
    server: ScriptedBroker, protocol: ProtocolVersion, answer: bytes
) -> None:
    server.answers, server.last = {CONNECT: answer}, CONNECT
    with connection(server, protocol) as one:
        try:
            one.open()
        except ConnectFailedError as error:
            check_sentence(error)
            event("permanent" if error.permanent else "temporary")
            return
        event("open")
        # The server has closed: nothing but this is to come of it.
        check_sentence(until_lost(one, []))


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(st.sampled_from(ProtocolVersion), acks(PUBACK))
def test_any_answer_to_an_event_is_an_acknowledgement_or_ends_the_connection_with_a_reason(
    server: ScriptedBroker, protocol: ProtocolVersion, answer: bytes
) -> None:
    server.answers, server.last = {CONNECT: ACCEPTED[protocol], PUBLISH: answer}, PUBLISH
    with connection(server, protocol) as one:
        one.open()
        mid = one.publish(EVENT)
        got: list[PublishAck] = []
        check_sentence(until_lost(one, got))
        assert [ack.mid for ack in got] in ([], [mid])
        event("acknowledged" if got else "not acknowledged")
        if got and got[0].refusal is not None:
            check_sentence(Exception(got[0].refusal))


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(st.sampled_from(ProtocolVersion), acks(SUBACK))
def test_any_answer_to_a_subscription_is_a_result_or_ends_the_connection_with_a_reason(
    server: ScriptedBroker, protocol: ProtocolVersion, answer: bytes
) -> None:
    server.answers, server.last = {CONNECT: ACCEPTED[protocol], SUBSCRIBE: answer}, SUBSCRIBE
    with connection(server, protocol) as one:
        one.open()
        try:
            refusal = one.subscribe(["emotion-edge/cam/request/+"])
        except ConnectionLostError as error:
            check_sentence(error)
            event("lost")
        else:
            event("refused" if refusal else "granted")
            assert refusal is None or refusal.strip()
        with contextlib.suppress(ConnectionLostError):
            one.close()
