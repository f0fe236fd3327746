"""What is still to be published: events in order, and of everything retained the last word.

The pipeline's thread puts things in, the publisher's takes them out; the lock is here.
"""

import threading
from collections.abc import Callable
from typing import Final

from edge.mqtt.outbox import Outbox
from edge.mqtt.payloads import EventPayload, encode
from edge.mqtt.topics import ONLINE, Kind
from edge.sinks import stamped

_ON_CONNECT: Final[tuple[Kind, ...]] = ("status", "info", "state", "health")
"""Order in which a new connection says them: first that we are there, then what we are and see."""


class Pending:
    """Thread-safe. `max_events` bounds the outbox; retained payloads are one per kind."""

    def __init__(self, max_events: int) -> None:
        self._lock = threading.Lock()
        self._outbox = Outbox(max_events)
        self._retained: dict[Kind, bytes] = {"status": ONLINE.encode()}
        self._unsent: list[Kind] = []  # kinds whose last word the connection has not been given
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection that can be published on."""
        return self._connected

    @property
    def depth(self) -> int:
        """Events not acknowledged yet."""
        with self._lock:
            return self._outbox.depth

    @property
    def dropped(self) -> int:
        """Events that a full outbox let go, or that the broker refused."""
        with self._lock:
            return self._outbox.dropped

    def add(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Take an event. Raises ValueError where its `seq` does not grow."""
        with self._lock:
            self._outbox.add(payload, captured_monotonic, connected=self._connected)

    def retain(self, kind: Kind, payload: bytes) -> None:
        """Take the last word of a kind; one that has not been sent yet is replaced."""
        with self._lock:
            self._retained[kind] = payload
            if kind not in self._unsent:
                self._unsent.append(kind)

    def connection_made(self) -> None:
        """A connection is there: everything retained is to be said again."""
        with self._lock:
            self._connected = True
            self._unsent = [kind for kind in _ON_CONNECT if kind in self._retained]

    def connection_lost(self) -> None:
        """The connection is gone: what it did not acknowledge waits for the next."""
        with self._lock:
            self._connected = False
            self._outbox.connection_lost()

    def take_retained(self) -> tuple[Kind, bytes] | None:
        """The next last word to publish; None where all are out."""
        with self._lock:
            if not self._unsent:
                return None
            kind = self._unsent.pop(0)
            return kind, self._retained[kind]

    def hand_next(self, publish: Callable[[bytes], int]) -> bool:
        """Give the next event to `publish`, which returns its message id; False where none waits.

        The lock is held meanwhile, or a full outbox could let go of the very event that is being
        handed over; `publish` must not wait for anything.
        """
        with self._lock:
            entry = self._outbox.next_waiting()
            if entry is None:
                return False
            payload = stamped(entry.payload, entry.captured_monotonic, replayed=entry.replayed)
            self._outbox.handed(publish(encode(payload)))
            return True

    def settled(self, mid: int, *, accepted: bool) -> bool:
        """The broker answered for `mid`; False where that is no event."""
        with self._lock:
            return self._outbox.settled(mid, accepted=accepted)
