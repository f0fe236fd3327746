"""Defines the messages and acknowledgements that pass over a connection to a broker."""

import enum
from dataclasses import dataclass
from typing import Literal


class ProtocolVersion(enum.Enum):
    """The supported versions of MQTT, in the order in which they are tried."""

    MQTT_5 = "MQTT 5"
    MQTT_311 = "MQTT 3.1.1"


@dataclass(frozen=True, slots=True)
class Session:
    """What the broker keeps for a subscriber that is away; with it, each message is acknowledged by its owner.

    `expiry_seconds`: how long the broker keeps it (MQTT 5; with MQTT 3.1.1 the broker decides). `receive_maximum`:
    messages of QoS 1 that the broker may send before the first is acknowledged (MQTT 5).
    """

    expiry_seconds: int
    receive_maximum: int


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to publish. `correlation`: correlation data of the request that it answers; sent with MQTT 5 only."""

    topic: str
    payload: bytes
    qos: Literal[0, 1]
    retain: bool
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that arrived on a subscription.

    `retained`: the broker had stored it before the subscription. `duplicate`: the broker set the DUP flag, so it
    may have delivered the message before. `response_topic` and `correlation`: response topic and correlation data of
    a request; None with MQTT 3.1.1, or where the sender wants no response. `mid`: message id, by which a message of
    QoS 1 is acknowledged where the connection has a `Session`; None with QoS 0.
    """

    topic: str
    payload: bytes
    retained: bool
    duplicate: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None
    mid: int | None = None


@dataclass(frozen=True, slots=True)
class PublishAck:
    """The broker's PUBACK for message `mid`, or another proof that it has received the message.

    `refusal`: the broker's reason; None where it accepted the message. `code`: reason code of MQTT 5.
    """

    mid: int
    refusal: str | None
    code: int = 0


@dataclass(frozen=True, slots=True)
class SubscribeAck:
    """The broker's SUBACK for subscription `mid`.

    `refusals`: for each topic filter the broker's reason; None where it granted the subscription. `qos`: for each the
    quality of service that it granted, which may be lower than the one asked for; 0 where it refused.
    """

    mid: int
    refusals: tuple[str | None, ...]
    qos: tuple[int, ...] = ()


class ConnectionLostError(Exception):
    """The connection ended, and not through `Connection.close`; the message is the cause."""


class PacketTooLargeError(Exception):
    """A packet of `packet_bytes` was not sent, because the broker accepts at most `limit_bytes`."""

    def __init__(self, packet_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a packet of {packet_bytes} bytes, and the broker accepts at most {limit_bytes}")
        self.packet_bytes = packet_bytes
        self.limit_bytes = limit_bytes
