"""Who speaks and listens on the sensor's connection besides the sensor: requests, discovery.

A `MessageHandler` is handed to the sink before that starts (`attach`). All that it says comes after the
sensor's own word: nothing before the broker has acknowledged `online`, and a post waits as long as
something retained does. One that fails, or whose subscription the broker refuses, costs a line in the
log and nothing else.
"""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from edge.messages.topics import is_name
from edge.mqtt.types import OutgoingMessage, ReceivedMessage

_MOST_POSTED: Final = 64
"""Messages that may wait. Discovery posts some, requests are answered a few per second."""


class Publish(Protocol):
    """Posts a message; safe from any thread, and never waits."""

    def __call__(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        """Send `message` after `delay_seconds`; False where it is lost: the connection is gone, or too much waits.

        Raises ValueError where the topic is none that can be published to.
        """


class MessageHandler(Protocol):
    """Somebody who listens and speaks on the sensor's connection.

    Its methods are called by the publisher's thread, and must not wait for anything: events wait meanwhile.
    """

    @property
    def filters(self) -> Sequence[str]:
        """Topic filters to subscribe to, at each connection; may be none."""

    def connected(self, post: Publish) -> None:
        """There is a connection, on which `online` is acknowledged; `post` is of use as long as it lasts.

        What was posted on an earlier one and not sent by then is lost: say it again where it matters.
        """

    def received(self, message: ReceivedMessage, post: Publish) -> None:
        """A message came on one of `filters`."""


class SendQueue:
    """Messages that wait for their time and their turn. Thread-safe. `wake` is called after each new one."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, OutgoingMessage]] = []
        self._numbers = itertools.count()  # equal times leave in the order in which they came
        self._open = True

    def post(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        """See `Publish`. A message that is retained takes the place of one for the same topic that still waits."""
        if not is_name(message.topic):
            msg = f"{message.topic!r} is no topic that can be published to"
            raise ValueError(msg)
        with self._lock:
            if not self._open:
                return False
            if message.retain:
                kept = [entry for entry in self._waiting if not entry[2].retain or entry[2].topic != message.topic]
                self._waiting = kept
                heapq.heapify(self._waiting)
            if len(self._waiting) >= _MOST_POSTED:
                return False
            heapq.heappush(self._waiting, (time.monotonic() + delay_seconds, next(self._numbers), message))
        self._wake()
        return True

    def seconds_to_next(self) -> float:
        """How long until a message may go: 0 where one may, infinite where none waits."""
        with self._lock:
            return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else math.inf

    def take(self) -> OutgoingMessage | None:
        """The next message whose time has come."""
        with self._lock:
            if not self._waiting or self._waiting[0][0] > time.monotonic():
                return None
            return heapq.heappop(self._waiting)[2]

    def close(self) -> int:
        """Take nothing more; return how many messages were waiting."""
        with self._lock:
            self._open = False
            count = len(self._waiting)
            self._waiting.clear()
            return count
