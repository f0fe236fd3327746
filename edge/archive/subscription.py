"""Subscribes an archiver to the messages of all sensors."""

import logging
from typing import Final

from edge.config.credentials import BrokerAddress
from edge.errors import BrokerError
from edge.messages.topics import Kind, subscription
from edge.mqtt.connection import Connection
from edge.mqtt.types import ProtocolVersion

_LOG: Final = logging.getLogger(__name__)

KEPT: Final[tuple[Kind, ...]] = ("event", "status", "info", "summary")
"""Kinds that the broker keeps for an archiver that is away (QoS 1)."""
SAMPLES: Final[tuple[Kind, ...]] = ("state", "health")
"""Kinds of which the next message says what the last one said, and that would fill the broker's queue (QoS 0)."""
_RETAINED: Final[tuple[Kind, ...]] = ("status", "info")
_SNAPSHOT_SECONDS: Final = 5.0
"""How long the retained messages of all sensors may take to arrive."""


class Subscription:
    """The subscription of one archiver below the topic `base`; with `group` it shares the messages with others.

    A shared subscription brings no retained messages. So who is online, and who the sensors are, is asked for by
    ordinary subscriptions that end after some seconds, at each connection.
    """

    def __init__(self, base: str, group: str) -> None:
        self._base = base
        self._group = group
        self._snapshot_until: float | None = None
        self._warned = False

    def filters(self, kinds: tuple[Kind, ...]) -> list[str]:
        """Return the topic filters of kinds of messages."""
        prefix = f"$share/{self._group}/" if self._group else ""
        return [prefix + subscription(self._base, kind) for kind in kinds]

    def subscribe(self, connection: Connection, broker: BrokerAddress) -> None:
        """Subscribe. Raises BrokerError where the broker refuses, and ConnectionLostError."""
        if self._group and not connection.limits.shared:
            raise BrokerError(
                f"the broker at {broker} has no shared subscriptions: leave archive.group (--group) empty, so that "
                "each archiver gets all messages, and each event is still stored once"
            )
        if self._group and connection.protocol is ProtocolVersion.MQTT_311 and not self._warned:
            self._warned = True
            _LOG.warning(
                "the broker at %s speaks MQTT 3.1.1, which has no shared subscriptions: some brokers have them "
                "nevertheless, others, such as RabbitMQ and NATS, take this one and deliver nothing; if nothing is "
                "stored, leave archive.group (--group) empty",
                broker,
            )
        self._subscribe(connection, broker, self.filters(KEPT), 1)
        self._subscribe(connection, broker, self.filters(SAMPLES), 0)
        if self._group:
            self._subscribe(connection, broker, self._retained_filters(), 1)
            self._snapshot_until = connection.last_received_monotonic + _SNAPSHOT_SECONDS

    def tend(self, connection: Connection, now: float) -> None:
        """End the ordinary subscriptions of a group's archiver once their time is over. Raises ConnectionLostError."""
        if self._snapshot_until is not None and now >= self._snapshot_until:
            self._snapshot_until = None
            for name in self._retained_filters():
                connection.unsubscribe(name)

    def _retained_filters(self) -> list[str]:
        return [subscription(self._base, kind) for kind in _RETAINED]

    def _subscribe(self, connection: Connection, broker: BrokerAddress, filters: list[str], qos: int) -> None:
        refusal = connection.subscribe(filters, 1 if qos else 0)
        if refusal is not None:
            raise BrokerError(f"the broker at {broker} refuses the subscription to {', '.join(filters)}: {refusal}")
