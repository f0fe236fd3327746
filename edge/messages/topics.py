"""Builds topic names, parses them, and matches them with filters. Pure: no client, no broker."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from edge.messages.desired import DesiredPayload
from edge.messages.payloads import (
    EventPayload,
    HealthPayload,
    InfoPayload,
    Payload,
    StatePayload,
)
from edge.messages.response import ResponsePayload
from edge.messages.summary import SummaryPayload

Kind = Literal["status", "info", "state", "event", "health", "summary"]
"""Last part of a topic, which determines the type of its payload."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

TOPIC_PAYLOADS: Final[dict[str, type[Payload]]] = {
    "event": EventPayload,
    "state": StatePayload,
    "info": InfoPayload,
    "health": HealthPayload,
    "summary": SummaryPayload,
    "response": ResponsePayload,
    "desired": DesiredPayload,
}
"""Payload type by the last part of the topic, of a response by the part before it. `status` is plain text."""

_FLEET_DESIRED: Final = "fleet/desired"
"""Topic below the base, for all devices: the signed document of what they should run, retained, QoS 1."""

ONLINE: Final = "online"
STOPPED: Final = "stopped"
OFFLINE: Final = "offline"
_MAX_TOPIC_BYTES: Final = 65_535  # the length field of the protocol has 16 bits

STATUS_WORDS: Final = (ONLINE, STOPPED, OFFLINE)
"""Payloads of `.../status`: connected; stopped cleanly; connection lost (published by the broker as the will)."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one device. `base` may have several levels, `device` has one."""

    base: str
    device: str

    def of(self, kind: Kind) -> str:
        """Return the topic of this device for `kind`."""
        return f"{self.base}/{self.device}/{kind}"

    @property
    def status(self) -> str:
        """Topic of the connection status, retained, QoS 1: one of `STATUS_WORDS` as plain text."""
        return self.of("status")

    @property
    def info(self) -> str:
        """Topic of identity and set-up, retained, QoS 1."""
        return self.of("info")

    @property
    def state(self) -> str:
        """Topic of the faces in view, retained, QoS 1."""
        return self.of("state")

    @property
    def event(self) -> str:
        """Topic of events, not retained, QoS 1."""
        return self.of("event")

    @property
    def health(self) -> str:
        """Topic of health, retained, QoS 0."""
        return self.of("health")

    @property
    def summary(self) -> str:
        """Topic of the summary of hour and day, retained, QoS 1."""
        return self.of("summary")

    @property
    def doctor(self) -> str:
        """Topic on which `emotion-edge doctor` tries what the sensor does; empty otherwise."""
        return f"{self.base}/{self.device}/doctor"

    @property
    def requests(self) -> str:
        """Filter of the topics on which this sensor takes requests."""
        return f"{self.base}/{self.device}/request/+"

    def request(self, name: str) -> str:
        """Return the topic on which this sensor takes the request `name`."""
        return f"{self.base}/{self.device}/request/{name}"

    def response(self, name: str) -> str:
        """Return the topic of responses to `.../request/<name>`, not retained, QoS 1."""
        return f"{self.base}/{self.device}/response/{name}"


def desired_topic(base: str) -> str:
    """Return the topic of the fleet's document, retained, QoS 1. Whoever operates the fleet publishes it."""
    return f"{base}/{_FLEET_DESIRED}"


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """Device and payload type that a topic stands for."""

    device: str
    kind: Kind


def subscription(base: str, kind: Kind, device: str | None = None) -> str:
    """Return the topic filter for one kind of message of `device`, by default of every device."""
    return f"{base}/{'+' if device is None else device}/{kind}"


def is_topic_name(topic: str) -> bool:
    """Return whether a message can be published to `topic`: not empty, not too long, no wildcard, no NUL.

    Topics that begin with `$` belong to the broker.
    """
    try:
        length = len(topic.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return 0 < length <= _MAX_TOPIC_BYTES and topic[0] != "$" and not any(sign in topic for sign in "#+\0")


def topic_matches(name: str, topic: str) -> bool:
    """Return whether the filter `name` matches `topic`, by the rules of MQTT."""
    if topic.startswith("$") and not name.startswith("$"):
        return False
    parts, levels = name.split("/"), topic.split("/")
    if parts[-1] == "#":
        # "a/#" matches "a" as well.
        parts = parts[:-1]
        if len(levels) < len(parts):
            return False
        levels = levels[: len(parts)]
    return len(parts) == len(levels) and all(part in {"+", level} for part, level in zip(parts, levels, strict=True))


def parse_topic(base: str, topic: str) -> DeviceTopic | None:
    """Parse a topic under `base`; None where it is not one of a sensor's."""
    prefix = f"{base}/"
    if not topic.startswith(prefix):
        return None
    device, _, last = topic[len(prefix) :].partition("/")
    for kind in KINDS:
        if device and last == kind:
            return DeviceTopic(device, kind)
    return None
