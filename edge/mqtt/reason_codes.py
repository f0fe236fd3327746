"""Names the reason codes of MQTT 5, also in packets for which the standard does not list them. Pure.

Brokers send codes where the standard has none: mosquitto answers a message beyond its `message_size_limit` with
PUBACK 0x95, Packet too large. Such a code means there what it means elsewhere.
"""

from typing import Final

PACKET_TOO_LARGE: Final = 0x95
RETAIN_NOT_SUPPORTED: Final = 0x9A
QOS_NOT_SUPPORTED: Final = 0x9B
RECEIVE_MAXIMUM_EXCEEDED: Final = 0x93
WILDCARDS_NOT_SUPPORTED: Final = 0xA2
SESSION_TAKEN_OVER: Final = 0x8E
NOT_AUTHORIZED: Final = 0x87
KEEPALIVE_TIMEOUT: Final = 0x8D

FAILURE: Final = 0x80
"""Codes from here on are failures (MQTT 5, section 2.4)."""

_QUOTA_EXCEEDED: Final = 0x97
_VAGUE: Final = frozenset({0x80, 0x83, 0x91})
"""Unspecified error, implementation specific error, packet identifier in use: may concern the message or the moment."""

_NAMES: Final = {
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    NOT_AUTHORIZED: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    KEEPALIVE_TIMEOUT: "Keep alive timeout",
    SESSION_TAKEN_OVER: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x92: "Packet identifier not found",
    RECEIVE_MAXIMUM_EXCEEDED: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    PACKET_TOO_LARGE: "Packet too large",
    0x96: "Message rate too high",
    _QUOTA_EXCEEDED: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    RETAIN_NOT_SUPPORTED: "Retain not supported",
    QOS_NOT_SUPPORTED: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscription not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    WILDCARDS_NOT_SUPPORTED: "Wildcard subscription not supported",
}


def reason_name(code: int) -> str:
    """Return the name of `code`, whatever packet it came in; its number for one that the standard does not have."""
    return _NAMES.get(code, f"reason code 0x{code:02X}")


def attempts(code: int) -> float:
    """Return how often a message is published in all while the broker refuses it with `code` in PUBACK.

    Quota exceeded passes, so such a message waits for as long as it may wait at all (infinite). A vague reason gets
    three attempts. All others concern the message or this sensor's rights: the same message would be refused again.
    """
    if code == _QUOTA_EXCEEDED:
        return float("inf")
    return 3 if code in _VAGUE else 1
