"""What passes over a connection to a broker."""

import enum
from dataclasses import dataclass
from typing import Literal


class ProtocolVersion(enum.Enum):
    """Versions that we speak, best first."""

    MQTT_5 = "MQTT 5"
    MQTT_311 = "MQTT 3.1.1"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """Something to publish. `correlation` tells an asker which question it answers; MQTT 5 only."""

    topic: str
    payload: bytes
    qos: Literal[0, 1]
    retain: bool
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """Something that came on a subscription.

    `retained`: it was there before we subscribed. `duplicate`: the broker says that it may have sent it before.
    `response_topic` and `correlation`: where its sender wants an answer, and what it knows it by; MQTT 5 only.
    """

    topic: str
    payload: bytes
    retained: bool
    duplicate: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class PublishAck:
    """What the broker said to message `mid`. `refusal`: its reason, None where it took the message."""

    mid: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class SubscribeAck:
    """What the broker said to subscription `mid`: for each filter its reason to refuse, None where it agrees."""

    mid: int
    refusals: tuple[str | None, ...]


class ConnectionGoneError(Exception):
    """The connection ended without our doing; the message says how."""
