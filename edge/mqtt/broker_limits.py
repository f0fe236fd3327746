"""Represents what a broker announces in CONNACK, fits messages to it, and computes the sizes of packets. Pure.

Sizes follow MQTT 5 (OASIS 2019), sections 2.1, 2.2 and 3.3, and MQTT 3.1.1. Maximum Packet Size counts the whole packet
with its fixed header (3.2.2.3.6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.mqtt.types import OutgoingMessage, ProtocolVersion

LONGEST_PACKET_BYTES: Final = 268_435_455
"""Longest packet where the broker announces no limit: the largest length that MQTT can encode."""

_PACKET_ID_BYTES: Final = 2
_STRING_LENGTH_BYTES: Final = 2
_PROPERTY_ID_BYTES: Final = 1
_WILDCARDS: Final = frozenset("+#")


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What a broker accepts on one connection; the defaults hold where CONNACK announces nothing.

    `packet_bytes`: longest packet. `receive_maximum`: messages of QoS 1 that it takes before it has acknowledged the
    first. `qos`: highest quality of service. `retain`: it retains messages. `wildcards`: it takes subscriptions with
    wildcards. `keepalive_seconds`: interval that replaces the client's; None where it announced none, 0 for no limit.
    `shared`: it takes shared subscriptions.

    Topic aliases and subscription identifiers are not used, so their limits always hold. Session Expiry Interval
    changes nothing: no session of a sensor outlives a connection. An Assigned Client Identifier is for clients that
    name none.
    """

    packet_bytes: int = LONGEST_PACKET_BYTES
    receive_maximum: int = 65_535
    qos: int = 2
    retain: bool = True
    wildcards: bool = True
    keepalive_seconds: int | None = None
    shared: bool = True

    def and_also(self, other: "BrokerLimits") -> "BrokerLimits":
        """Return the limits that keep both; keepalive is that of `self`."""
        return replace(
            self,
            packet_bytes=min(self.packet_bytes, other.packet_bytes),
            receive_maximum=min(self.receive_maximum, other.receive_maximum),
            qos=min(self.qos, other.qos),
            retain=self.retain and other.retain,
            wildcards=self.wildcards and other.wildcards,
        )

    def fitted(self, message: OutgoingMessage) -> OutgoingMessage:
        """Return `message` with the quality of service and the retain flag that the broker supports."""
        if (self.qos or not message.qos) and (self.retain or not message.retain):
            return message
        return replace(message, qos=message.qos if self.qos else 0, retain=message.retain and self.retain)

    def takes_filter(self, name: str) -> bool:
        """Return whether the broker takes a subscription to the filter `name`."""
        return self.wildcards or not _WILDCARDS.intersection(name)

    def losses(self) -> list[str]:
        """Return a sentence for each limit that costs the user something, in a fixed order."""
        sentences = []
        if not self.retain:
            sentences.append(
                "the broker has no retained messages: who subscribes later learns status, info and state only with "
                "the next health, with which they are repeated, and a will that is not retained reaches only those who "
                "are connected"
            )
        if not self.qos:
            sentences.append(
                "the broker takes QoS 0 only: events are sent again until it has received them, but a subscriber "
                "misses what happens while its own connection is away"
            )
        if not self.wildcards:
            sentences.append(
                "the broker takes no subscription with wildcards: a request with an unknown name is not answered"
            )
        return sentences


def publish_bytes(message: OutgoingMessage, protocol: ProtocolVersion) -> int:
    """Return the length in bytes of the PUBLISH packet for `message`."""
    body = _STRING_LENGTH_BYTES + len(message.topic.encode()) + len(message.payload)
    body += _PACKET_ID_BYTES if message.qos else 0
    if protocol is ProtocolVersion.MQTT_5:
        properties = 0
        if message.correlation is not None:
            properties = _PROPERTY_ID_BYTES + _STRING_LENGTH_BYTES + len(message.correlation)
        body += _length_bytes(properties) + properties
    return _packet_bytes(body)


def subscribe_bytes(filters: Sequence[str], protocol: ProtocolVersion) -> int:
    """Return the length in bytes of the SUBSCRIBE packet for `filters`."""
    body = _PACKET_ID_BYTES + (1 if protocol is ProtocolVersion.MQTT_5 else 0)
    return _packet_bytes(body + sum(_STRING_LENGTH_BYTES + len(name.encode()) + 1 for name in filters))


def _packet_bytes(body: int) -> int:
    """Return the length of a packet whose part behind the fixed header has `body` bytes."""
    return 1 + _length_bytes(body) + body


def _length_bytes(value: int) -> int:
    """Return how many bytes `value` takes as a Variable Byte Integer, which has seven bits a byte."""
    count = 1
    while value >= 1 << 7 * count:
        count += 1
    return count
