"""Keeps what a broker has shown by refusing: limits that it did not announce, a will that it does not take. Pure."""

from dataclasses import replace

from edge.mqtt.broker_limits import BrokerLimits
from edge.mqtt.reason_codes import (
    PACKET_TOO_LARGE,
    QOS_NOT_SUPPORTED,
    RECEIVE_MAXIMUM_EXCEEDED,
    RETAIN_NOT_SUPPORTED,
    WILDCARDS_NOT_SUPPORTED,
)
from edge.mqtt.types import OutgoingMessage


class LearnedLimits:
    """Limits of a broker that hold for all later connections of this process, beside those that CONNACK announces."""

    def __init__(self) -> None:
        self.limits = BrokerLimits()
        self.takes_will = True
        """Whether the broker takes a will at all."""

    def will(self, wanted: OutgoingMessage | None) -> OutgoingMessage | None:
        """Return the will to connect with, where `wanted` is the best one."""
        return self.limits.fitted(wanted) if wanted is not None and self.takes_will else None

    def refused(self, code: int | None) -> bool:
        """Learn from the reason code of a CONNACK or DISCONNECT; returns whether it changed what is known."""
        before = self.limits
        if code == RETAIN_NOT_SUPPORTED:
            self.limits = replace(before, retain=False)
        elif code == QOS_NOT_SUPPORTED:
            self.limits = replace(before, qos=0)
        elif code == RECEIVE_MAXIMUM_EXCEEDED:
            self.limits = replace(before, receive_maximum=1)
        elif code == WILDCARDS_NOT_SUPPORTED:
            self.limits = replace(before, wildcards=False)
        return self.limits != before

    def connect_refused(self, code: int | None, will: OutgoingMessage | None) -> bool:
        """Learn from a CONNACK that refused `will`; returns whether another attempt would differ from this one."""
        if will is None:
            return False
        if code == PACKET_TOO_LARGE:
            # Nothing else in CONNECT could be left out.
            self.takes_will = False
            return True
        return self.refused(code) and self.limits.fitted(will) != will
