"""What may be asked, and where it is answered: pure."""

import re

import pytest

from edge.control.protocol import RefusedError, Request, ResponseTarget, parse_request, response_targets
from edge.messages.topics import Topics
from edge.mqtt.types import ReceivedMessage

TOPICS = Topics("home/emotion", "cam")


def asked(name: str, payload: bytes = b"", response_topic: str | None = None, correlation: bytes | None = None):
    return ReceivedMessage(f"home/emotion/cam/request/{name}", payload, False, False, response_topic, correlation)  # noqa: FBT003


@pytest.mark.parametrize(
    ("name", "payload", "request_"),
    [
        ("pause", b"", Request("pause", None, paused=True)),
        ("pause", b"{}", Request("pause", None, paused=True)),
        ("pause", b'{"paused": false, "transaction": "a"}', Request("pause", "a", paused=False)),
        ("resume", b' {"transaction":"b"}\n', Request("resume", "b", paused=False)),
        ("health", b'{"transaction":""}', Request("health", "")),
        ("config", '{"transaction":"ü😀"}'.encode(), Request("config", "ü😀")),
        ("health", b'{"transaction":"' + b"x" * 128 + b'"}', Request("health", "x" * 128)),
    ],
)
def test_what_can_be_asked(name, payload, request_) -> None:
    assert parse_request(TOPICS, asked(name, payload)) == request_
    assert response_targets(TOPICS, asked(name, payload)) == [ResponseTarget(f"home/emotion/cam/response/{name}")]


@pytest.mark.parametrize(
    ("name", "payload", "sentence", "transaction"),
    [
        ("health", b"x" * 4097, "the payload has 4097 bytes, but may have at most 4096", None),
        ("health", b"{", "the payload is no JSON: Input data was truncated", None),
        ("health", b"\xff\xfe{}", "the payload is no JSON: ", None),
        ("health", b'{"transaction": "\xff"}', "the payload is no JSON: ", None),
        ("health", b"[" * 4096, "the payload is nested too deeply", None),
        ("health", b"null", "the payload is None, but must be empty or a JSON object", None),
        ("health", b'["' + b"x" * 1000 + b'"]', "xxx..., but must be empty or a JSON object", None),
        ("health", b'{"transaction": 7}', "transaction is 7, but must be a text", None),
        ("health", b'{"transaction": null}', "transaction is None, but must be a text", None),
        (
            "health",
            b'{"transaction": "' + b"x" * 129 + b'"}',
            "transaction has 129 characters, but may have at most 128",
            None,
        ),
        ("health", b'{"Transaction": "a"}', "'Transaction' is no key of this request; known: transaction", None),
        ("resume", b'{"paused":false,"transaction":"t"}', "'paused' is no key of this request; known: transact", "t"),
        ("pause", b'{"transaction":"t","paused":1}', "paused is 1, but must be true or false", "t"),
        ("pause", b'{"paused":"true"}', "paused is 'true', but must be true or false", None),
        ("reboot", b'{"transaction":"t"}', "'reboot' is no request; known are pause, resume, health, config", "t"),
        ("", b"", "'' is no request", None),
        ("x" * 9000, b"", "'xxxxxxxx", None),
    ],
)
def test_what_cannot_be_asked(name, payload, sentence, transaction) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)) as caught:
        parse_request(TOPICS, asked(name, payload))
    assert caught.value.transaction == transaction
    assert len(str(caught.value)) < 300
    known = name if name in {"pause", "resume", "health", "config"} else "unknown"
    assert response_targets(TOPICS, asked(name, payload)) == [ResponseTarget(f"home/emotion/cam/response/{known}")]


@pytest.mark.parametrize("topic", ["answers/mine", "home/emotionless", "home", "home/emotion/cam/response/to/me"])
def test_with_mqtt_5_the_answer_goes_where_it_is_wanted_as_well(topic) -> None:
    message = asked("health", b"", topic, b"\0\xff")
    assert parse_request(TOPICS, message) == Request("health", None)
    assert response_targets(TOPICS, message) == [
        ResponseTarget("home/emotion/cam/response/health"),
        ResponseTarget(topic, b"\0\xff"),
    ]


def test_the_answer_goes_only_once_to_one_topic() -> None:
    message = asked("health", b"", "home/emotion/cam/response/health", b"1")
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/health", b"1")]
    # Without a topic of its own the asker listens on ours, and knows its answer by the data.
    assert response_targets(TOPICS, asked("health", b"", None, b"1")) == [
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
def test_a_stranger_makes_us_write_nothing_in_the_name_of_sensors(topic) -> None:
    message = asked("pause", b'{"transaction":"t"}', topic, b"1")
    with pytest.raises(RefusedError, match=r"the response topic .* is not used") as caught:
        parse_request(TOPICS, message)
    assert caught.value.transaction == "t"
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/pause")]


def test_correlation_data_is_bounded() -> None:
    message = asked("health", b"", "answers/mine", bytes(257))
    with pytest.raises(RefusedError, match="the correlation data has 257 bytes, but may have at most 256"):
        parse_request(TOPICS, message)
    assert response_targets(TOPICS, message) == [ResponseTarget("home/emotion/cam/response/health")]
