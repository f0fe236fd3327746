"""Parsing of requests, and the topics of their responses."""

import re

import msgspec
import pytest

from edge.control.protocol import RefusedError, Request, ResponseTarget, parse_request, request_of, response_targets
from edge.messages.request import NAMES, REQUEST_PAYLOADS, Name
from edge.messages.topics import Topics
from edge.mqtt.types import ReceivedMessage

TOPICS = Topics("home/emotion", "cam")


def received(name: str, payload: bytes = b"", response_topic: str | None = None, correlation: bytes | None = None):
    return ReceivedMessage(f"home/emotion/cam/request/{name}", payload, False, False, response_topic, correlation)  # noqa: FBT003


@pytest.mark.parametrize(
    ("name", "payload", "request_"),
    [
        ("pause", b"", Request("pause", None, paused=True)),
        ("pause", b"{}", Request("pause", None, paused=True)),
        (
            "set",
            b'{"settings": {"events.margin": 0.3, "zones": {}}, "transaction": "c"}',
            Request("set", "c", settings={"events.margin": 0.3, "zones": {}}),
        ),
        ("set", b'{"settings": {"zones": {' + b" " * 60_000 + b"}}}", Request("set", None, settings={"zones": {}})),
        ("reset", b"", Request("reset", None)),
        ("reset", b'{"keys": ["events.margin"]}', Request("reset", None, keys=("events.margin",))),
        ("pause", b'{"paused": false, "transaction": "a"}', Request("pause", "a", paused=False)),
        ("resume", b' {"transaction":"b"}\n', Request("resume", "b", paused=False)),
        ("health", b'{"transaction":""}', Request("health", "")),
        ("config", '{"transaction":"ü😀"}'.encode(), Request("config", "ü😀")),
        ("health", b'{"transaction":"' + b"x" * 128 + b'"}', Request("health", "x" * 128)),
    ],
)
def test_valid_request_is_parsed(name, payload, request_) -> None:
    assert parse_request(TOPICS, received(name, payload)) == request_
    assert response_targets(TOPICS, received(name, payload)) == [ResponseTarget(f"home/emotion/cam/response/{name}")]


@pytest.mark.parametrize(
    ("name", "payload", "sentence", "transaction"),
    [
        ("health", b"x" * 4097, "the payload has 4097 bytes, but may have at most 4096", None),
        ("health", b"{", 'the payload is "{", which is not JSON (Input data was truncated), but must be empty', None),
        ("health", b"\xff\xfe{}", "which is not JSON (", None),
        ("health", b'{"transaction": "\xff"}', "which is not JSON (", None),
        ("pause", b"ON", 'is "ON", which is not JSON (', None),
        ("pause", b"ON", 'but must be empty or a JSON object, as in {"paused": true}', None),
        ("pause", b"true", 'the payload is true, but must be empty or a JSON object, as in {"paused": true}', None),
        (
            "config",
            b"[1, 2]",
            'the payload is [1,2], but must be empty or a JSON object, as in {"transaction": "7"}',
            None,
        ),
        ("health", b"[" * 4096, "the payload is nested too deeply", None),
        ("health", b"null", "the payload is null, but must be empty or a JSON object", None),
        ("health", b'["' + b"x" * 1000 + b'"]', "xxx..., but must be empty or a JSON object", None),
        ("health", b'{"transaction": 7}', "transaction is 7, but must be a string", None),
        ("health", b'{"transaction": null}', "transaction is null, but must be a string", None),
        (
            "health",
            b'{"transaction": "' + b"x" * 129 + b'"}',
            "transaction has 129 characters, but may have at most 128",
            None,
        ),
        (
            "health",
            b'{"Transaction": "a"}',
            'unknown key "Transaction" in the request health; known: transaction',
            None,
        ),
        (
            "resume",
            b'{"paused":false,"transaction":"t"}',
            'unknown key "paused" in the request resume; known: transact',
            "t",
        ),
        ("pause", b'{"transaction":"t","paused":1}', "paused is 1, but must be true or false", "t"),
        ("pause", b'{"paused":"true"}', 'paused is "true", but must be true or false', None),
        (
            "reboot",
            b'{"transaction":"t"}',
            'unknown request "reboot"; known: pause, resume, health, config, set, reset, calibrate; ',
            "t",
        ),
        (
            "set",
            b"",
            'settings is missing: the payload must be a JSON object with settings, as in {"settings": {"',
            None,
        ),
        ("set", b'{"settings": [], "transaction":"t"}', "settings is []: the payload must be a JSON object with", "t"),
        ("set", b'{"settings": {}}', "settings is {}: the payload must be", None),
        ("set", b'{"settings":', "which is not JSON", None),
        ("set", b" " * 70_000, "the payload has 70000 bytes, but may have at most 65536", None),
        (
            "set",
            b'{"events.margin": 1}',
            'unknown key "events.margin" in the request set; known: transaction, sett',
            None,
        ),
        (
            "reset",
            b'{"keys": []}',
            "keys is []: the payload must be empty, for all settings, or a JSON object, as",
            None,
        ),
        ("reset", b'{"keys": "events.margin"}', 'keys is "events.margin": the payload must be', None),
        ("reset", b'{"keys": [5]}', "keys is [5]: the payload must be", None),
        (
            "reboot",
            b"now",
            'config, set, reset, calibrate; the payload is empty or a JSON object, as in {"transaction": "7"}',
            None,
        ),
        ("", b"", 'unknown request ""; known: ', None),
        ("x" * 9000, b"", '"xxxxxxxx', None),
    ],
)
def test_invalid_request_is_refused(name, payload, sentence, transaction) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)) as caught:
        parse_request(TOPICS, received(name, payload))
    assert caught.value.transaction == transaction
    assert len(str(caught.value)) < 300
    known = name if name in NAMES else "unknown"
    assert response_targets(TOPICS, received(name, payload)) == [ResponseTarget(f"home/emotion/cam/response/{known}")]


@pytest.mark.parametrize("topic", ["answers/mine", "home/emotionless", "home", "home/emotion/cam/response/to/me"])
def test_mqtt_5_response_topic_is_used_as_well(topic) -> None:
    message = received("health", b"", topic, b"\0\xff")
    assert parse_request(TOPICS, message) == Request("health", None)
    assert response_targets(TOPICS, message) == [
        ResponseTarget("home/emotion/cam/response/health"),
        ResponseTarget(topic, b"\0\xff"),
    ]


def test_response_is_published_once_per_topic() -> None:
    message = received("health", b"", "home/emotion/cam/response/health", b"1")
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/health", b"1")]
    # Without a response topic the client subscribes to ours, and recognises its response by the data.
    assert response_targets(TOPICS, received("health", b"", None, b"1")) == [
        ResponseTarget("home/emotion/cam/response/health", b"1")
    ]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "answers/+",
        "answers/#",
        "$SYS/broker",
        "x" * 257,
        "home/emotion/cam/status",
        "home/emotion/cam/state",
        "home/emotion/cam/request/pause",
        "home/emotion/other/request/pause",
        "home/emotion/other/response/pause",
        "home/emotion/cam/response",
        "home/emotion/cam",
        "home/emotion",
    ],
)
def test_topics_of_sensors_are_refused_as_response_topic(topic) -> None:
    message = received("pause", b'{"transaction":"t"}', topic, b"1")
    with pytest.raises(RefusedError, match=r"the response topic .* is not allowed") as caught:
        parse_request(TOPICS, message)
    assert caught.value.transaction == "t"
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/pause")]


def test_correlation_data_are_bounded() -> None:
    message = received("health", b"", "answers/mine", bytes(257))
    with pytest.raises(RefusedError, match="the correlation data has 257 bytes, but may have at most 256"):
        parse_request(TOPICS, message)
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/health")]


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_a_request_are_those_of_its_type(name: Name) -> None:
    """Whoever makes a client from the types sends what the sensor takes, and the other way round."""
    values = {"transaction": "7", "paused": False, "settings": {"events.margin": 0.3}, "keys": ["a"], "reset": True}
    fields = {field: values[field] for field in REQUEST_PAYLOADS[name].__struct_fields__}
    assert request_of(name, fields, "7").name == name
    msgspec.convert(fields, REQUEST_PAYLOADS[name])
    with pytest.raises(RefusedError, match="unknown key"):
        request_of(name, fields | {"surplus": 1})
