"""Events that the broker has not acknowledged yet. In memory, no I/O, no clock, no lock of its own."""

from collections import deque
from dataclasses import dataclass

from edge.mqtt.payloads import EventPayload


@dataclass(slots=True)
class Entry:
    """One event on its way. `mid`: the connection's message id while it is handed over, else None.

    `replayed` turns true as soon as the event could not be sent when it happened.
    """

    payload: EventPayload
    captured_monotonic: float
    replayed: bool
    mid: int | None = None


class Outbox:
    """Events in order of `seq`: waiting, handed to the connection, and gone once acknowledged.

    Bounded by `max_events`: past that the oldest that is not in flight goes, because what a subscriber
    does next depends on the newest; it is counted in `dropped`. What is in flight stays: the broker
    may have it already.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        # Handed entries come before waiting ones: both are in order of `seq`, and the oldest waiting
        # one is always the next to be handed over.
        self._in_flight: dict[int, Entry] = {}
        self._waiting: deque[Entry] = deque()
        self._last_seq = 0
        self.dropped = 0

    @property
    def depth(self) -> int:
        """Events not acknowledged yet."""
        return len(self._in_flight) + len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Events handed to the connection and not acknowledged yet."""
        return len(self._in_flight)

    def pending_seqs(self) -> list[int]:
        """Numbers of all events not acknowledged yet, in order."""
        return [entry.payload.seq for entry in (*self._in_flight.values(), *self._waiting)]

    def add(self, payload: EventPayload, captured_monotonic: float, *, connected: bool) -> None:
        """Take an event; `connected` says whether it can be sent right now.

        Raises ValueError where `seq` does not grow: the numbers are how a subscriber proves that it
        lost nothing, so a caller that mixes them up has a bug.
        """
        if payload.seq <= self._last_seq:
            msg = f"event {payload.seq} after event {self._last_seq}"
            raise ValueError(msg)
        self._last_seq = payload.seq
        self._waiting.append(Entry(payload, captured_monotonic, replayed=not connected))
        if self.depth > self._max_events:
            self._waiting.popleft()
            self.dropped += 1

    def next_waiting(self) -> Entry | None:
        """Return the event that goes next; None where all are handed over."""
        return self._waiting[0] if self._waiting else None

    def handed(self, mid: int) -> None:
        """The event that `next_waiting` returned is with the connection now, under `mid`."""
        if mid in self._in_flight:
            msg = f"message id {mid} is in flight already"
            raise ValueError(msg)
        entry = self._waiting.popleft()
        entry.mid = mid
        self._in_flight[mid] = entry

    def settled(self, mid: int, *, accepted: bool) -> bool:
        """The broker answered for `mid`; False where that is no event of ours.

        One that it refused is gone as well, counted in `dropped`: sending it again gets the same answer.
        """
        if self._in_flight.pop(mid, None) is None:
            return False
        self.dropped += not accepted
        return True

    def connection_lost(self) -> None:
        """The connection ended: what it has not acknowledged waits again, ahead of the rest, for the next.

        All that waits counts as replayed from here on: it reaches its subscribers late, or twice.
        """
        entries = list(self._in_flight.values())
        self._in_flight.clear()
        for entry in entries:
            entry.mid = None
        self._waiting.extendleft(reversed(entries))
        for entry in self._waiting:
            entry.replayed = True
