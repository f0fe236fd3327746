"""Holds the retained payloads of the sensor, one per topic, and marks those that the connection has not sent yet."""

import threading
from typing import Final

from edge.messages.topics import ONLINE, Kind

_CONNECT_ORDER: Final[tuple[Kind, ...]] = ("status", "info", "state", "summary", "health")
"""Order in which a new connection publishes the retained payloads."""


class RetainedPayloads:
    """The latest payload of each retained topic. Thread-safe. The status is `online`.

    The pipeline's thread sets payloads, the publisher's thread takes them. Only the latest of a kind is published.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payloads: dict[Kind, bytes] = {"status": ONLINE.encode()}
        self._unsent: list[Kind] = []  # kinds whose latest payload was not handed to the connection yet

    def set(self, kind: Kind, payload: bytes) -> None:
        """Replace the payload of `kind`, and mark it as unsent."""
        with self._lock:
            self._payloads[kind] = payload
            if kind not in self._unsent:
                self._unsent.append(kind)

    def connection_made(self) -> None:
        """Mark all payloads as unsent: a new connection publishes all of them."""
        with self._lock:
            self._unsent = [kind for kind in _CONNECT_ORDER if kind in self._payloads]

    def repeat(self) -> None:
        """Mark all payloads but health as unsent: a broker that retains none has nothing for new subscribers."""
        with self._lock:
            self._unsent = [kind for kind in _CONNECT_ORDER if kind in self._payloads and kind != "health"]

    def take_unsent(self) -> tuple[Kind, bytes] | None:
        """Return the next payload to publish with its kind; None where all have been taken."""
        with self._lock:
            if not self._unsent:
                return None
            kind = self._unsent.pop(0)
            return kind, self._payloads[kind]
