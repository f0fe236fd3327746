"""Events that the broker has not acknowledged yet, and which of them the disk holds.

The whole of it in memory: no I/O, no clock, no lock of its own. What is on disk is a copy of what is
here (`edge.mqtt.outbox.writer` sees to it), so a disk that fails costs durability and nothing else.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.messages.payloads import EventPayload
from edge.mqtt.outbox.stored_event import StoredEvent


@dataclass(slots=True, eq=False)
class Entry:
    """One event on its way: of this run, or `StoredEvent`, of an earlier one.

    `taken_monotonic`: when it was taken, on this process' monotonic clock (for one of an earlier run
    the moment that makes its age come out right). `replayed` turns true as soon as the event could not
    be sent when it happened. `mid`: the connection's message id while it is handed over. `row`: its
    number on disk, if it is there. `gone`: acknowledged or dropped.
    """

    event: EventPayload | StoredEvent
    captured_monotonic: float
    taken_monotonic: float
    replayed: bool
    mid: int | None = None
    row: int | None = None
    gone: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """What makes an event the same event: boot and number."""
        return self.event.boot_id, self.event.seq


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An event as it was found on disk."""

    number: int
    taken_monotonic: float
    event: StoredEvent


@dataclass(slots=True)
class DiskWork:
    """What the disk should be told: events to write, in order, and entries whose row is to go."""

    write: list[Entry] = field(default_factory=list)
    delete: list[Entry] = field(default_factory=list)


class EventQueue:
    """Events in order: those of earlier runs first, then those of this one by `seq`.

    An event waits, is handed to the connection, and is gone once acknowledged. Bounded by `max_events`
    and `max_age_seconds`: past either the oldest that is not in flight goes, because what a subscriber
    does next depends on the newest; it is counted in `dropped`. What is in flight stays: the broker
    may have it already.
    """

    def __init__(self, max_events: int, max_age_seconds: float) -> None:
        self._max_events = max_events
        self._max_age_seconds = max_age_seconds
        # Handed entries come before waiting ones, and the oldest waiting one is always the next to be
        # handed over.
        self._in_flight: dict[int, Entry] = {}
        self._waiting: deque[Entry] = deque()
        self._unsaved: dict[int, Entry] = {}  # by id(), in order; none of them is gone
        self._doomed: list[Entry] = []  # gone, but still on disk
        self._last_seq = 0
        self.dropped = 0
        """Events that a bound let go, or that the broker refused."""
        self.overflowed = 0
        """Those of them that a bound let go."""

    @property
    def depth(self) -> int:
        """Events not acknowledged yet."""
        return len(self._in_flight) + len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Events handed to the connection and not acknowledged yet."""
        return len(self._in_flight)

    @property
    def unsaved(self) -> int:
        """Events neither acknowledged nor on disk."""
        return len(self._unsaved)

    @property
    def saved(self) -> int:
        """Events that are on disk and not acknowledged."""
        return self.depth - len(self._unsaved)

    @property
    def doomed(self) -> int:
        """Events that are gone and still on disk."""
        return len(self._doomed)

    @property
    def accepted_seq(self) -> int:
        """Each event of this run up to this number is acknowledged (or dropped) or on disk."""
        first = next(iter(self._unsaved.values()), None)
        return self._last_seq if first is None else first.event.seq - 1

    def pending_seqs(self) -> list[int]:
        """Numbers of all events not acknowledged yet, in order."""
        return [entry.event.seq for entry in self._all()]

    def add(self, payload: EventPayload, captured_monotonic: float, now_monotonic: float, *, connected: bool) -> None:
        """Take an event; `connected` says whether there is a connection to send it on.

        Raises ValueError where `seq` does not grow: the numbers are how a subscriber proves that it
        lost nothing, so a caller that mixes them up has a bug.
        """
        if payload.seq <= self._last_seq:
            msg = f"event {payload.seq} after event {self._last_seq}"
            raise ValueError(msg)
        self._last_seq = payload.seq
        # Behind replayed events, which leave one by one, it will be late as well.
        late = not connected or (bool(self._waiting) and self._waiting[-1].replayed)
        entry = Entry(payload, captured_monotonic, now_monotonic, replayed=late)
        self._waiting.append(entry)
        self._unsaved[id(entry)] = entry
        self._keep_within_count()

    def expire(self, now_monotonic: float) -> None:
        """Let go of what has waited for too long."""
        while self._waiting and now_monotonic - self._waiting[0].taken_monotonic > self._max_age_seconds:
            self._drop_oldest()

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
        entry = self._in_flight.pop(mid, None)
        if entry is None:
            return False
        self.dropped += not accepted
        self._let_go(entry)
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

    def unsaved_until(self, taken_monotonic: float) -> list[Entry]:
        """Events not on disk that were taken up to that moment, in order."""
        due = []
        for entry in self._unsaved.values():
            if entry.taken_monotonic > taken_monotonic:
                break
            due.append(entry)
        return due

    def oldest_unsaved(self) -> Entry | None:
        """The oldest event that is not on disk."""
        return next(iter(self._unsaved.values()), None)

    def to_delete(self) -> list[Entry]:
        """Entries that are gone and still on disk."""
        return list(self._doomed)

    def done(self, work: DiskWork, numbers: Sequence[int]) -> None:
        """The disk has done `work`; `numbers` are the rows of what was written."""
        for entry, number in zip(work.write, numbers, strict=True):
            entry.row = number
            self._unsaved.pop(id(entry), None)
            if entry.gone:  # while it was being written
                self._doomed.append(entry)
        deleted = {id(entry) for entry in work.delete}
        self._doomed = [entry for entry in self._doomed if id(entry) not in deleted]

    def reconcile(self, rows: Iterable[StoredRow]) -> None:
        """Take over what was found on disk: all of it at the start, and again after the disk had failed.

        What is here and not there is to be written; what is there and unknown here comes from an earlier
        run, and goes ahead of everything that waits.
        """
        doomed = {(entry.row, *entry.key): entry for entry in self._doomed}
        known = {entry.key: entry for entry in self._all()}
        for entry in known.values():
            entry.row = None
        self._doomed = []
        earlier = []
        for row in rows:
            key = row.event.boot_id, row.event.seq
            if (row.number, *key) in doomed:
                self._doomed.append(doomed[row.number, *key])
            elif key in known:
                known[key].row = row.number
            else:
                earlier.append(Entry(row.event, 0.0, row.taken_monotonic, replayed=True, row=row.number))
        self._waiting.extendleft(reversed(earlier))
        self._unsaved = {id(entry): entry for entry in self._all() if entry.row is None}
        self._keep_within_count()

    def _all(self) -> list[Entry]:
        return [*self._in_flight.values(), *self._waiting]

    def _keep_within_count(self) -> None:
        while self.depth > self._max_events and self._waiting:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.dropped += 1
        self.overflowed += 1
        self._let_go(self._waiting.popleft())

    def _let_go(self, entry: Entry) -> None:
        entry.gone = True
        self._unsaved.pop(id(entry), None)
        if entry.row is not None:
            self._doomed.append(entry)
