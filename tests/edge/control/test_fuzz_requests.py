"""Any message on a request topic is answered or dropped, changes nothing else, and reveals no secret."""

import json
import logging
import string
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from edge.config.mqtt_schema import MqttConfig, RequestsConfig
from edge.config.schema import Config, PreviewConfig, SourceConfig
from edge.control.handler import RequestHandler
from edge.control.pause_file import PauseFile
from edge.control.protocol import MAX_PAYLOAD_BYTES, MAX_SET_BYTES
from edge.messages.request import MAX_TRANSACTION_LENGTH, NAMES
from edge.messages.schemas import load
from edge.messages.topics import Topics, is_topic_name
from edge.mqtt.handlers import SendQueue
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from support.fuzzing import PASSWORD, SECRET, TOKEN, CapturedLog, captured_log, fuzz, leaked
from support.mqtt import health

TOPICS = Topics("home/emotion", "cam")
CONFIG = Config(
    source=SourceConfig(uri=f"rtsp://viewer:{SECRET}@cam.local/stream?token={TOKEN}"),
    mqtt=MqttConfig(url="mqtts://broker", username=PASSWORD, password_file=f"/run/{PASSWORD}", key_file=f"/{SECRET}"),
    preview=PreviewConfig(token_file=f"/run/{TOKEN}"),
)
ALLOWED = RequestsConfig(settable=["events", "zones", "labels", "device"])
SCHEMA = jsonschema.Draft202012Validator(load("response"))
MAX_RESPONSE_BYTES = 16_384

NAMES_OF_KEYS = ("transaction", "paused", "Transaction", "transaction ", "config", "__class__")
NAMES_OF_SETTINGS = ("settings", "keys", "events.margin", "zones", "labels", "mqtt.username")
KEYS = st.sampled_from((*NAMES_OF_KEYS, *NAMES_OF_SETTINGS)) | st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4) | st.fixed_dictionaries(
    {},
    optional={
        "transaction": st.text(max_size=150),
        "paused": st.booleans(),
        "settings": st.dictionaries(KEYS, JSON, max_size=3),
        "keys": st.lists(KEYS, max_size=2),
    },
)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """JSON with some bytes wrong."""
    data = bytearray(dumped(draw(OBJECTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
        if not data:
            break
    return bytes(data)


PAYLOADS = st.one_of(
    st.just(b""),
    OBJECTS.map(dumped),
    OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")),
    JSON.map(dumped),
    damaged(),
    st.binary(max_size=100),
    st.sampled_from(
        [b"[" * 4096, b'{"a":' * 800, b"x" * 4097, b"9" * 4000, b"\xef\xbb\xbf{}", b"{}\0", b"1e999", b"NaN"]
    ),
)
NAME_LEVELS = (
    st.sampled_from(NAMES) | st.text(string.printable, max_size=20) | st.text(max_size=20) | st.just("x" * 9000)
)
RESPONSE_TOPICS = st.one_of(
    st.none(),
    st.sampled_from(["answers/mine", "home/emotion/cam/state", "home/emotion/cam/response/x", "#", "$SYS/x", ""]),
    st.text(max_size=30),
    st.just("x" * 300),
)
MESSAGES = st.builds(
    ReceivedMessage,
    NAME_LEVELS.map(lambda name: f"home/emotion/cam/request/{name}"),
    PAYLOADS,
    st.sampled_from([False, False, False, True]),
    st.booleans(),
    RESPONSE_TOPICS,
    st.none() | st.binary(max_size=300),
)


class Sensor:
    """A sensor that can be paused."""

    def __init__(self) -> None:
        self.paused = False

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        self.paused = paused

    def report(self):
        return health()

    def apply_settings(self, change):
        change.store()
        return change.config


@pytest.fixture
def words():
    with captured_log(logging.getLogger("edge.control.handler")) as words:
        yield words


def expected_transaction(payload: bytes) -> str | None:
    """Return the transaction as another JSON parser reads it."""
    try:
        transaction = json.loads(payload)["transaction"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return transaction if isinstance(transaction, str) and len(transaction) <= MAX_TRANSACTION_LENGTH else None


@pytest.mark.timeout(7200)  # a busy machine
@fuzz
@given(MESSAGES)
@example(ReceivedMessage("home/emotion/cam/request/config", b'{"transaction":"\\ud800"}', retained=False))
@example(ReceivedMessage("home/emotion/cam/request/\ud800", b"", retained=False))
def test_any_request_is_answered_or_dropped(words: CapturedLog, message: ReceivedMessage) -> None:
    words.text = ""
    handler = RequestHandler(ALLOWED, TOPICS, PauseFile(None))
    sensor = Sensor()
    send_queue = SendQueue(lambda: None)
    handler.received(message, send_queue.publish)
    handler.process_pending(sensor, CONFIG)
    published: list[OutgoingMessage] = []
    while (one := send_queue.take()) is not None:
        published.append(one)
    if message.retained:
        event("retained")
        assert not published
        assert not sensor.paused
    else:
        assert 1 <= len(published) <= 2
    for one in published:
        assert is_topic_name(one.topic)
        assert len(one.payload) < MAX_RESPONSE_BYTES
        assert (one.qos, one.retain) == (1, False)
        assert one.topic.startswith("home/emotion/cam/response/") or one.topic == message.response_topic
        response = msgspec.json.decode(one.payload)
        SCHEMA.validate(response)
        assert published[0].payload == one.payload
        event(response["status"])
        if response["status"] == "ok":
            assert len(message.payload) <= (MAX_SET_BYTES if message.topic.endswith("/set") else MAX_PAYLOAD_BYTES)
            assert message.topic.rpartition("/")[2] in NAMES
            assert response["transaction"] == expected_transaction(message.payload)
            assert (response["config"] is not None) == message.topic.endswith("/config")
        else:
            assert response["error"]
            assert len(response["error"]) < 400
            assert not sensor.paused
    assert not leaked(words.text + " ".join(one.payload.decode() for one in published))
