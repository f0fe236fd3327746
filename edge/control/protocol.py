"""What can be asked of a sensor, and where the answer goes. Pure.

A request comes from anybody who may publish on the broker, so all of it is bounded and checked here.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

from edge.messages.topics import Topics, is_name
from edge.mqtt.types import ReceivedMessage

Name = Literal["pause", "resume", "health", "config"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
UNKNOWN: Final = "unknown"
"""Last part of the topic of the answer to anything else: topics are nothing for strangers to make."""

MOST_BYTES: Final = 4096
"""Longest payload. A request needs some hundred; longer ones are refused before they are looked at."""
MOST_TRANSACTION: Final = 128
"""Longest transaction, in characters: a UUID has 36."""
_MOST_TOPIC_BYTES: Final = 256
_MOST_CORRELATION_BYTES: Final = 256
_SHOWN: Final = 40


class RefusedError(Exception):
    """The request is not met; the message is one sentence. `transaction`: as the request had it, if legible."""

    def __init__(self, sentence: str, transaction: str | None = None) -> None:
        super().__init__(sentence)
        self.transaction = transaction


@dataclass(frozen=True, slots=True)
class Request:
    """Something to do. `paused`: what is to become of the sensor, for `pause` and `resume`."""

    name: Name
    transaction: str | None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class ResponseTarget:
    """Where an answer goes. `correlation`: what the asker knows it by; MQTT 5 only."""

    topic: str
    correlation: bytes | None = None


def parse_request(topics: Topics, message: ReceivedMessage) -> Request:
    """Take a request apart. Raises RefusedError."""
    if len(message.payload) > MOST_BYTES:
        raise RefusedError(f"the payload has {len(message.payload)} bytes, but may have at most {MOST_BYTES}")
    fields = _fields(message.payload)
    transaction = _transaction(fields)
    _check_address(topics, message, transaction)
    asked = _last(message.topic)
    name = next((one for one in NAMES if one == asked), None)
    if name is None:
        raise RefusedError(f"{_shown(asked)} is no request; known are {', '.join(NAMES)}", transaction)
    known = ("transaction", "paused") if name == "pause" else ("transaction",)
    for key in fields:
        if key not in known:
            raise RefusedError(f"{_shown(key)} is no key of this request; known: {', '.join(known)}", transaction)
    paused = fields.get("paused", True)
    if not isinstance(paused, bool):
        raise RefusedError(f"paused is {_shown(paused)}, but must be true or false", transaction)
    return Request(name, transaction, {"pause": paused, "resume": False}.get(name))


def response_targets(topics: Topics, message: ReceivedMessage) -> list[ResponseTarget]:
    """Where to answer: on our own topic always, and where an asker with MQTT 5 wants it, if that may be."""
    name = _last(message.topic)
    own = ResponseTarget(topics.response(name if name in NAMES else UNKNOWN))
    try:
        _check_address(topics, message, None)
    except RefusedError:
        return [own]
    wanted = message.response_topic
    if wanted is None or wanted == own.topic:
        return [ResponseTarget(own.topic, message.correlation)]
    return [own, ResponseTarget(wanted, message.correlation)]


def _check_address(topics: Topics, message: ReceivedMessage, transaction: str | None) -> None:
    """Refuse what could not be answered as its asker wants it. Raises RefusedError."""
    if message.correlation is not None and len(message.correlation) > _MOST_CORRELATION_BYTES:
        raise RefusedError(
            f"the correlation data has {len(message.correlation)} bytes, but may have at most "
            f"{_MOST_CORRELATION_BYTES}",
            transaction,
        )
    wanted = message.response_topic
    if wanted is not None and not _may_answer_on(topics, wanted):
        raise RefusedError(
            f"the response topic {_shown(wanted)} is not used: it must be a topic of at most {_MOST_TOPIC_BYTES} "
            f"bytes, and outside {topics.base}/ but for this sensor's responses",
            transaction,
        )


def _may_answer_on(topics: Topics, topic: str) -> bool:
    """Whether a stranger may send an answer there.

    What sensors say of themselves, and what they are asked, is not for strangers to write in our name. The
    rest is the broker's to allow: it knows what this sensor may publish to.
    """
    if not is_name(topic) or len(topic.encode()) > _MOST_TOPIC_BYTES:
        return False
    return not f"{topic}/".startswith(f"{topics.base}/") or topic.startswith(topics.response(""))


def _fields(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {}
    try:
        fields = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"the payload is no JSON: {error}") from None
    except RecursionError:
        raise RefusedError("the payload is nested too deeply") from None
    if not isinstance(fields, dict):
        raise RefusedError(f"the payload is {_shown(fields)}, but must be empty or a JSON object")
    return fields


def _transaction(fields: dict[str, Any]) -> str | None:
    if "transaction" not in fields:
        return None
    transaction = fields["transaction"]
    if not isinstance(transaction, str):
        raise RefusedError(f"transaction is {_shown(transaction)}, but must be a text")
    if len(transaction) > MOST_TRANSACTION:
        raise RefusedError(f"transaction has {len(transaction)} characters, but may have at most {MOST_TRANSACTION}")
    return transaction


def _last(topic: str) -> str:
    return topic.rpartition("/")[2]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
