"""What passes over a connection to a broker."""

import enum
from dataclasses import dataclass
from typing import Literal


class Protocol(enum.Enum):
    """Versions that we speak, best first."""

    MQTT_5 = "MQTT 5"
    MQTT_311 = "MQTT 3.1.1"


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish."""

    topic: str
    payload: bytes
    qos: Literal[0, 1]
    retain: bool


@dataclass(frozen=True, slots=True)
class Received:
    """Something that came on a subscription.

    `retained`: it was there before we subscribed. `duplicate`: the broker says that it may have sent it before.
    """

    topic: str
    payload: bytes
    retained: bool
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker said to message `mid`. `refusal`: its reason, None where it took the message."""

    mid: int
    refusal: str | None


class ConnectionGoneError(Exception):
    """The connection ended without our doing; the message says how."""
