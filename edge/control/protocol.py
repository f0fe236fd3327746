"""Parses requests and determines the topics of their responses. Pure functions.

Any client that may publish on the broker can send a request, so every part of it is checked and bounded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from edge.messages.request import MAX_TRANSACTION_LENGTH, NAMES, REQUEST_PAYLOADS, UNKNOWN, Name
from edge.messages.topics import Topics, is_topic_name
from edge.mqtt.types import ReceivedMessage

MAX_PAYLOAD_BYTES: Final = 4096
"""Longest payload. A request needs about a hundred bytes; longer ones are refused before they are parsed."""
MAX_SET_BYTES: Final = 65_536
"""Longest payload of `set`: 16 masks and 16 zones of 32 corners each, written as Python does, take 45 kB."""
_EMPTY_OR_OBJECT: Final = 'empty or a JSON object, as in {"transaction": "7"}'
_SET_PAYLOAD: Final = 'a JSON object with settings, as in {"settings": {"events.margin": 0.3}}'
_RESET_PAYLOAD: Final = 'empty, for all settings, or a JSON object, as in {"keys": ["events.margin"]}'
_PAUSE_PAYLOAD: Final = 'empty or a JSON object, as in {"paused": true}'
_CALIBRATE_PAYLOAD: Final = 'empty or a JSON object, as in {"reset": true}'
"""What a request takes as its payload."""
_PAYLOADS: Final[Mapping[Name, str]] = {
    "pause": _PAUSE_PAYLOAD,
    "set": _SET_PAYLOAD,
    "reset": _RESET_PAYLOAD,
    "calibrate": _CALIBRATE_PAYLOAD,
}
_FIELDS: Final[Mapping[Name, tuple[str, ...]]] = {
    name: tuple(field for field in payload.__struct_fields__ if field != "transaction")
    for name, payload in REQUEST_PAYLOADS.items()
}
"""Keys that a payload may have besides `transaction`."""
_MAX_TOPIC_BYTES: Final = 256
_MAX_CORRELATION_BYTES: Final = 256
_MAX_SHOWN_LENGTH: Final = 40
"""Characters of a received value that an error message repeats."""


class RefusedError(Exception):
    """A request is refused; the message is one sentence. `transaction`: that of the request, if it could be read."""

    def __init__(self, sentence: str, transaction: str | None = None) -> None:
        super().__init__(sentence)
        self.transaction = transaction


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request.

    `paused`: the requested state, for `pause` and `resume`. `settings`: what `set` changes, values by name as JSON has
    them. `keys`: what `reset` undoes; None for all. None for the other requests. `calibrate`: whether a calm face is
    looked for (True) or reset (False); None for the other requests.
    """

    name: Name
    transaction: str | None
    paused: bool | None = None
    settings: Mapping[str, Any] | None = None
    keys: tuple[str, ...] | None = None
    calibrate: bool | None = None


@dataclass(frozen=True, slots=True)
class ResponseTarget:
    """Where a response is published. `correlation`: the correlation data of the request; MQTT 5 only."""

    topic: str
    correlation: bytes | None = None


def parse_request(topics: Topics, message: ReceivedMessage) -> Request:
    """Parse and check a request. Raises RefusedError."""
    name = next((one for one in NAMES if one == _last_level(message.topic)), None)
    limit = MAX_SET_BYTES if name == "set" else MAX_PAYLOAD_BYTES
    if len(message.payload) > limit:
        raise RefusedError(f"the payload has {len(message.payload)} bytes, but may have at most {limit}")
    if name is None:
        # Before the payload is judged: who mistypes a name needs to know which there are.
        sentence = f"unknown request {_shown(_last_level(message.topic))}; known: {', '.join(NAMES)}"
        raise RefusedError(f"{sentence}; the payload is {_EMPTY_OR_OBJECT}", _transaction_if_any(message.payload))
    fields = _fields(message.payload, _PAYLOADS.get(name, _EMPTY_OR_OBJECT))
    transaction = _transaction(fields)
    _check_response_target(topics, message, transaction)
    return request_of(name, fields, transaction)


def request_of(name: Name, fields: Mapping[str, Any], transaction: str | None = None) -> Request:
    """Return the request that the fields of a payload make. Raises RefusedError."""
    known = ("transaction", *_FIELDS[name])
    for key in fields:
        if key not in known:
            sentence = f"unknown key {_shown(key)} in the request {name}; known: {', '.join(known)}"
            raise RefusedError(sentence, transaction)
    match name:
        case "pause":
            return Request(name, transaction, _flag(fields, "paused", transaction, default=True))
        case "resume":
            return Request(name, transaction, paused=False)
        case "set":
            return Request(name, transaction, settings=_settings(fields, transaction))
        case "reset":
            return Request(name, transaction, keys=_keys(fields, transaction))
        case "calibrate":
            return Request(name, transaction, calibrate=not _flag(fields, "reset", transaction, default=False))
    return Request(name, transaction)


def _flag(fields: Mapping[str, Any], key: str, transaction: str | None, *, default: bool) -> bool:
    value = fields.get(key, default)
    if not isinstance(value, bool):
        raise RefusedError(f"{key} is {_shown(value)}, but must be true or false", transaction)
    return value


def _settings(fields: Mapping[str, Any], transaction: str | None) -> dict[str, Any]:
    settings = fields.get("settings")
    if not isinstance(settings, dict) or not settings:
        what = f"settings is {_shown(settings)}" if "settings" in fields else "settings is missing"
        raise RefusedError(f"{what}: the payload must be {_SET_PAYLOAD}", transaction)
    return settings


def _keys(fields: Mapping[str, Any], transaction: str | None) -> tuple[str, ...] | None:
    if "keys" not in fields:
        return None
    keys = fields["keys"]
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise RefusedError(f"keys is {_shown(keys)}: the payload must be {_RESET_PAYLOAD}", transaction)
    return tuple(keys)


def response_targets(topics: Topics, message: ReceivedMessage) -> list[ResponseTarget]:
    """Return where to publish the response.

    Always the sensor's own response topic, and also the response topic of an MQTT 5 request, if that is allowed.
    """
    name = _last_level(message.topic)
    own = ResponseTarget(topics.response(name if name in NAMES else UNKNOWN))
    try:
        _check_response_target(topics, message, None)
    except RefusedError:
        return [own]
    wanted = message.response_topic
    if wanted is None or wanted == own.topic:
        return [ResponseTarget(own.topic, message.correlation)]
    return [own, ResponseTarget(wanted, message.correlation)]


def _check_response_target(topics: Topics, message: ReceivedMessage, transaction: str | None) -> None:
    """Raise RefusedError if the response cannot be published as the request requires."""
    if message.correlation is not None and len(message.correlation) > _MAX_CORRELATION_BYTES:
        raise RefusedError(
            f"the correlation data has {len(message.correlation)} bytes, but may have at most {_MAX_CORRELATION_BYTES}",
            transaction,
        )
    wanted = message.response_topic
    if wanted is not None and not _is_allowed(topics, wanted):
        raise RefusedError(
            f"the response topic {_shown(wanted)} is not allowed: it must be a topic of at most {_MAX_TOPIC_BYTES} "
            f"bytes, outside of {topics.base}/ or below {topics.response('')}",
            transaction,
        )


def _is_allowed(topics: Topics, topic: str) -> bool:
    """Return whether a client may choose this response topic.

    A client must not make this sensor publish on the topics of sensors and of requests to them. For all other topics
    the broker's access rules decide.
    """
    if not is_topic_name(topic) or len(topic.encode()) > _MAX_TOPIC_BYTES:
        return False
    return not f"{topic}/".startswith(f"{topics.base}/") or topic.startswith(topics.response(""))


def _fields(payload: bytes, accepted: str) -> dict[str, Any]:
    """Return the fields of a payload; `accepted`: what is, for the error."""
    if not payload:
        return {}
    try:
        fields = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = _shown(payload.decode(errors="replace"))
        raise RefusedError(f"the payload is {shown}, which is not JSON ({error}), but must be {accepted}") from None
    except RecursionError:
        raise RefusedError(f"the payload is nested too deeply: it must be {accepted}") from None
    if not isinstance(fields, dict):
        raise RefusedError(f"the payload is {_shown(fields)}, but must be {accepted}")
    return fields


def _transaction_if_any(payload: bytes) -> str | None:
    """Return the transaction of a request with an unknown name, where it has a valid one."""
    try:
        return _transaction(_fields(payload, ""))
    except RefusedError:
        return None


def _transaction(fields: dict[str, Any]) -> str | None:
    if "transaction" not in fields:
        return None
    transaction = fields["transaction"]
    if not isinstance(transaction, str):
        raise RefusedError(f"transaction is {_shown(transaction)}, but must be a string")
    if len(transaction) > MAX_TRANSACTION_LENGTH:
        raise RefusedError(
            f"transaction has {len(transaction)} characters, but may have at most {MAX_TRANSACTION_LENGTH}"
        )
    return transaction


def _last_level(topic: str) -> str:
    return topic.rpartition("/")[2]


def _shown(value: object) -> str:
    """Return a value as JSON, shortened: who sends `true` must not read of `True`."""
    try:
        text = msgspec.json.encode(value).decode()
    except (ValueError, OverflowError, RecursionError):  # a lone surrogate, a number of any length
        text = repr(value)
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[: _MAX_SHOWN_LENGTH - 3]}..."
