"""Lists the channels: each topic with who publishes it, how, and what it carries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from edge.messages.request import NAMES, REQUEST_PAYLOADS, UNKNOWN
from edge.messages.response import ResponsePayload
from edge.messages.topics import TOPIC_PAYLOADS, Topics, desired_topic

TOPICS: Final = Topics("{base}", "{device}")


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic. `name`: of the channel in the document, in camel case. `sends`: the sensor publishes it; else it reads.

    `payload`: type of the JSON; None for what is described by `schema` alone, or has none. `qos`: 0, or 1; of what
    others publish the sensor takes both. `reply`: name of the channel on which a request is answered.
    """

    name: str
    address: str
    summary: str
    sends: bool
    qos: Literal[0, 1] = 1
    retain: bool = False
    payload: type[msgspec.Struct] | None = None
    schema: Mapping[str, object] | None = None
    content_type: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """How messages of one kind are published."""

    summary: str
    qos: Literal[0, 1] = 1
    retain: bool = True
    sends: bool = True
    address: str | None = None


_KINDS: Final[Mapping[str, _Kind]] = {
    "info": _Kind("Version, model, labels, source, settings; at each connection and when it changes."),
    "state": _Kind("The faces in view now and their expressions; at most once a second."),
    "event": _Kind("A face appeared, changed its expression, or left. No `seq` of a boot is left out.", retain=False),
    "health": _Kind("Frame rate, latency, source, broker, temperature; each health.interval_seconds.", qos=0),
    "summary": _Kind("The running and the last complete hour and day: visits, time in view, expressions."),
    "desired": _Kind(
        "What the devices of a fleet should run, signed. Whoever operates the fleet publishes it.",
        sends=False,
        address=desired_topic(TOPICS.base),
    ),
}
"""Each key of TOPIC_PAYLOADS but `response`."""

_REQUESTS: Final[Mapping[str, str]] = {
    "pause": "Pauses capture, and releases the camera.",
    "resume": "Resumes capture.",
    "health": "Asks for health.",
    "config": "Asks for the configuration, without secrets.",
    "set": "Changes keys of the configuration that requests.settable names.",
    "reset": "Undoes what `set` has changed.",
    "calibrate": "Looks for five seconds at a calm face.",
}


def channels(status_words: tuple[str, ...]) -> list[Channel]:
    """Return all channels. Raises KeyError for a payload type or a request that is not described here."""
    status = Channel(
        "status",
        TOPICS.status,
        "Whether the sensor is connected: online; stopped after a clean end; offline, which is the will.",
        sends=True,
        retain=True,
        schema={"type": "string", "enum": list(status_words)},
        content_type="text/plain",
    )
    return [status, *_of_kinds(), *_of_requests(), *_of_others()]


def _of_kinds() -> Iterator[Channel]:
    for name, payload in TOPIC_PAYLOADS.items():
        if name != "response":
            kind = _KINDS[name]
            address = kind.address or f"{TOPICS.base}/{TOPICS.device}/{name}"
            yield Channel(name, address, kind.summary, kind.sends, kind.qos, kind.retain, payload)


def _of_requests() -> Iterator[Channel]:
    for name in NAMES:
        answer = response_name(name)
        summary = f"{_REQUESTS[name]} An empty payload stands for an empty object."
        yield Channel(
            f"request{name.title()}",
            TOPICS.request(name),
            summary,
            sends=False,
            payload=REQUEST_PAYLOADS[name],
            reply=answer,
        )
        yield Channel(
            answer, TOPICS.response(name), f"The answer to request/{name}.", sends=True, payload=ResponsePayload
        )
    yield Channel(
        response_name(UNKNOWN),
        TOPICS.response(UNKNOWN),
        "The answer to a request with an unknown name.",
        sends=True,
        payload=ResponsePayload,
    )


def response_name(request: str) -> str:
    """Return the name of the channel of the answers to a request."""
    return f"response{request.title()}"


def _of_others() -> Iterator[Channel]:
    yield Channel(
        "doctor",
        TOPICS.doctor,
        "Where `emotion-edge doctor` tries what the sensor does; empty otherwise.",
        sends=True,
        retain=True,
        schema={"description": "Any text; nobody needs it."},
        content_type="text/plain",
    )
    yield Channel(
        "homeAssistantConfig",
        "{discoveryPrefix}/device/emotion-edge-{device}/config",
        "The announcement to Home Assistant, with `homeassistant.enabled`.",
        sends=True,
        retain=True,
        schema={"type": "object", "description": "As Home Assistant's MQTT discovery of devices defines it."},
    )
    yield Channel(
        "homeAssistantStatus",
        "{homeAssistantStatus}",
        "Home Assistant's birth message, after which the sensor announces itself again.",
        sends=False,
        schema={"type": "string", "examples": ["online"]},
        content_type="text/plain",
    )
