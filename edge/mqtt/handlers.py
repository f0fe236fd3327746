"""Defines the interface for other parts of the sensor (requests, discovery) to subscribe and publish.

A `MessageHandler` is given to the sink's constructor and shares the sensor's connection. Its messages come after the
sensor's own: none is sent before the broker has acknowledged `online`, nor while a retained payload of the sensor
waits. A handler that fails, or whose subscription the broker refuses, causes one log line and has no other effect.
"""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

from edge.messages.topics import is_topic_name
from edge.mqtt.broker_limits import BrokerLimits
from edge.mqtt.types import OutgoingMessage, ReceivedMessage

_MAX_QUEUED: Final = 64
"""Messages that may wait in a `SendQueue`. Discovery publishes a few, requests are answered a few per second."""


class Publish(Protocol):
    """Queues a message for publishing; safe from any thread, never blocks."""

    def __call__(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        """Publish `message` after `delay_seconds`; False where it is dropped: connection lost, or queue full.

        Raises ValueError for a topic that cannot be published to.
        """


class MessageHandler(Protocol):
    """Subscribes and publishes on the sensor's connection.

    The publisher's thread calls its methods. They must not block: events wait meanwhile.
    """

    @property
    def filters(self) -> Sequence[str]:
        """Topic filters to subscribe to at each connection; may be empty."""

    def connected(self, publish: Publish) -> None:
        """Handle a new connection on which `online` is acknowledged; `publish` works as long as it lasts.

        What was published on an earlier connection and not sent before its end is lost: publish it again if needed.
        """

    def received(self, message: ReceivedMessage, publish: Publish) -> None:
        """Handle a message that matches one of `filters`."""


@runtime_checkable
class NamesTopics(Protocol):
    """A handler that can do without wildcards, for a broker that takes none."""

    @property
    def exact_filters(self) -> Sequence[str]:
        """Filters without wildcards that cover what is needed of `MessageHandler.filters`."""


def filters_within(handler: MessageHandler, limits: BrokerLimits) -> list[str]:
    """Return the filters of `handler` that a broker with `limits` takes."""
    filters = handler.filters
    if isinstance(handler, NamesTopics) and not all(limits.takes_filter(name) for name in filters):
        filters = handler.exact_filters
    return [name for name in filters if limits.takes_filter(name)]


class SendQueue:
    """Messages that wait for their time and their turn. Thread-safe. `wake` is called after each new one."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, OutgoingMessage]] = []
        self._numbers = itertools.count()  # equal times leave in the order in which they came
        self._open = True

    def publish(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        """Add a message; see `Publish`. A retained one replaces a retained one that still waits for the same topic."""
        if not is_topic_name(message.topic):
            msg = f"{message.topic!r} is no topic that can be published to"
            raise ValueError(msg)
        with self._lock:
            if not self._open:
                return False
            if message.retain:
                self._waiting = [
                    entry for entry in self._waiting if not entry[2].retain or entry[2].topic != message.topic
                ]
                heapq.heapify(self._waiting)
            if len(self._waiting) >= _MAX_QUEUED:
                return False
            heapq.heappush(self._waiting, (time.monotonic() + delay_seconds, next(self._numbers), message))
        self._wake()
        return True

    def seconds_to_next(self) -> float:
        """Return the seconds until a message may be sent: 0 where one may now, infinite where none waits."""
        with self._lock:
            return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else math.inf

    def take(self) -> OutgoingMessage | None:
        """Remove and return the next message whose time has come; None where there is none."""
        with self._lock:
            if not self._waiting or self._waiting[0][0] > time.monotonic():
                return None
            return heapq.heappop(self._waiting)[2]

    def close(self) -> int:
        """Accept no more messages; return how many were waiting."""
        with self._lock:
            self._open = False
            count = len(self._waiting)
            self._waiting.clear()
            return count
