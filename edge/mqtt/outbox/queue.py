"""Orders the events that the broker has not acknowledged, and tracks which of them are on disk.

In memory only: no I/O, no clock, no lock. The disk holds a copy (`edge.mqtt.outbox.writer`), so a disk that fails
costs durability and nothing else.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.messages.event_time import stamped
from edge.messages.payloads import EventPayload, encode
from edge.mqtt.outbox.account import BootAccount, Ledger
from edge.mqtt.outbox.stored_event import StoredEvent
from edge.system.clock import ClockReading


@dataclass(slots=True, eq=False)
class Entry:
    """One event in the queue: an `EventPayload` of this run, or a `StoredEvent` of an earlier one.

    `captured_boottime`: when its frame was captured, by the clock that no step changes; None for an event from before
    the machine started. `added_monotonic`: when it was added, on this process's monotonic clock (for an event of an
    earlier run the moment that gives it the right age). `replayed` becomes true as soon as the event cannot be sent
    when it happens. `mid`: the message id while it is in flight. `row`: its row on disk, None where it has none.
    `removed`: acknowledged or dropped. `sent_number`: its place in the order in which events are first handed over,
    None before that.
    `refusals`: how often the broker has refused it for the moment.
    """

    event: EventPayload | StoredEvent
    captured_boottime: float | None
    added_monotonic: float
    replayed: bool
    mid: int | None = None
    row: int | None = None
    removed: bool = False
    sent_number: int | None = None
    refusals: int = 0

    def payload(self, now: ClockReading, *, replayed: bool) -> bytes:
        """Return the JSON to publish or store at `now`: time, latency and `replayed` are set."""
        if isinstance(self.event, StoredEvent):
            return self.event.replay_payload(now, self.captured_boottime)
        assert self.captured_boottime is not None  # noqa: S101 - an event of this run has one
        return encode(stamped(self.event, self.captured_boottime, now, replayed=replayed))

    @property
    def key(self) -> tuple[str, int]:
        """Identity of the event: boot id and sequence number."""
        return self.event.boot_id, self.event.seq


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of the outbox file. `captured_boottime`: as in `Entry`."""

    number: int
    added_monotonic: float
    event: StoredEvent
    captured_boottime: float | None = None


@dataclass(slots=True)
class DiskWork:
    """One transaction for the disk: entries to write, in order, entries whose row is to be deleted, and accounts.

    Without `accounts` those on disk stay as they are.
    """

    write: list[Entry] = field(default_factory=list)
    delete: list[Entry] = field(default_factory=list)
    accounts: Sequence[BootAccount] = ()


class EventQueue:
    """Events in order: those of earlier runs first, then those of this run by `seq`.

    An event waits, is sent to the connection (in flight), and is removed once acknowledged. The queue is bounded by
    `max_events` and `max_age_seconds`: beyond either the oldest event that is not in flight is dropped, because what a
    subscriber does next depends on the newest; it is counted in `dropped`. Events in flight stay: the broker may have
    them already.
    """

    def __init__(self, max_events: int, max_age_seconds: float) -> None:
        self._max_events = max_events
        self._max_age_seconds = max_age_seconds
        # Entries in flight come before waiting ones, and the oldest waiting one is always the next to be sent.
        self._in_flight: dict[int, Entry] = {}
        self._waiting: deque[Entry] = deque()
        self._unsaved: dict[int, Entry] = {}  # by id(), in order; none of them is removed
        self._to_delete: list[Entry] = []  # removed, but still on disk
        self._last_seq = 0
        self._sent_count = 0
        self.ledger = Ledger()
        self.dropped = 0
        """Events that were dropped at a bound, refused by the broker, or destroyed with the file."""
        self.overflowed = 0
        """The part of `dropped` that was dropped at a bound."""

    @property
    def depth(self) -> int:
        """Events that are not acknowledged."""
        return len(self._in_flight) + len(self._waiting)

    @property
    def unsaved(self) -> int:
        """Events that are neither acknowledged nor on disk."""
        return len(self._unsaved)

    @property
    def saved(self) -> int:
        """Events that are on disk and not acknowledged."""
        return self.depth - len(self._unsaved)

    @property
    def rows_to_delete(self) -> int:
        """Events that are removed from the queue and still on disk."""
        return len(self._to_delete)

    def entries(self) -> list[Entry]:
        """Return all events that are not acknowledged, in order."""
        return [*self._in_flight.values(), *self._waiting]

    def add(self, payload: EventPayload, captured_boottime: float, now_monotonic: float, *, connected: bool) -> None:
        """Add an event; `connected`: whether there is a connection to send it on.

        Raises ValueError where `seq` does not grow: subscribers prove by these numbers that they lost nothing, so a
        caller that mixes them up has a bug.
        """
        if payload.seq <= self._last_seq:
            msg = f"event {payload.seq} after event {self._last_seq}"
            raise ValueError(msg)
        self._last_seq = payload.seq
        # Behind replayed events, which are sent at a limited rate, it will be late as well.
        late = not connected or (bool(self._waiting) and self._waiting[-1].replayed)
        entry = Entry(payload, captured_boottime, now_monotonic, replayed=late)
        self._waiting.append(entry)
        self._unsaved[id(entry)] = entry
        self.ledger.added(*entry.key)
        self._limit_count()

    def expire(self, now_monotonic: float) -> None:
        """Drop the waiting events that are older than the bound."""
        while self._waiting and now_monotonic - self._waiting[0].added_monotonic > self._max_age_seconds:
            self._drop_oldest()

    def next_waiting(self) -> Entry | None:
        """Return the event to send next; None where none waits."""
        return self._waiting[0] if self._waiting else None

    def sent(self, mid: int) -> None:
        """Move the event that `next_waiting` returns into flight, with message id `mid`."""
        if mid in self._in_flight:
            msg = f"message id {mid} is in flight already"
            raise ValueError(msg)
        entry = self._waiting.popleft()
        entry.mid = mid
        if entry.sent_number is None:
            self._sent_count += 1
            entry.sent_number = self._sent_count
        self._in_flight[mid] = entry

    def drop_next(self) -> None:
        """Drop the event that `next_waiting` returns, which the broker can never take; it counts in `dropped`."""
        self.dropped += 1
        self._remove(self._waiting.popleft(), dropped=True)

    def acknowledged(self, mid: int, *, accepted: bool) -> bool:
        """Remove the event with message id `mid`; False where there is none in flight.

        An event that the broker refused is removed as well and counted in `dropped`: it would be refused again.
        """
        entry = self._in_flight.pop(mid, None)
        if entry is None:
            return False
        self.dropped += not accepted
        self._remove(entry, dropped=not accepted)
        return True

    def refused(self, mid: int, attempts: float) -> bool | None:
        """Handle that the broker refused the event with message id `mid`; returns whether it is dropped.

        It is once it was refused `attempts` times; before, it waits again, in its place and as a replayed one. None
        where no such event is in flight.
        """
        entry = self._in_flight.get(mid)
        if entry is None:
            return None
        entry.refusals += 1
        if entry.refusals >= attempts:
            self.acknowledged(mid, accepted=False)
            return True
        del self._in_flight[mid]
        entry.mid = None
        entry.replayed = True
        # Those that were sent before and wait again are at the head, in order; all others were never sent.
        place = 0
        for other in self._waiting:
            if other.sent_number is None or entry.sent_number is None or other.sent_number > entry.sent_number:
                break
            place += 1
        self._waiting.insert(place, entry)
        return False

    def connection_lost(self) -> None:
        """Move all events in flight back to the head of those that wait.

        All waiting events are replayed from here on: they reach their subscribers late, or twice.
        """
        entries = list(self._in_flight.values())
        self._in_flight.clear()
        # Those that the broker had refused for the moment belong among them.
        while self._waiting and self._waiting[0].sent_number is not None:
            entries.append(self._waiting.popleft())
        entries.sort(key=lambda entry: entry.sent_number or 0)
        for entry in entries:
            entry.mid = None
        self._waiting.extendleft(reversed(entries))
        for entry in self._waiting:
            entry.replayed = True

    def unsaved_until(self, added_monotonic: float) -> list[Entry]:
        """Return the events that are not on disk and were added up to that moment, in order."""
        due = []
        for entry in self._unsaved.values():
            if entry.added_monotonic > added_monotonic:
                break
            due.append(entry)
        return due

    def oldest_unsaved(self) -> Entry | None:
        """Return the oldest event that is not on disk; None where all are."""
        return next(iter(self._unsaved.values()), None)

    def to_delete(self) -> list[Entry]:
        """Return the entries that are removed from the queue and still on disk."""
        return list(self._to_delete)

    def disk_work_done(self, work: DiskWork, rows: Sequence[int]) -> None:
        """Record that `work` is on disk; `rows` are the row numbers of the events that were written."""
        for entry, row in zip(work.write, rows, strict=True):
            entry.row = row
            self._unsaved.pop(id(entry), None)
            if entry.removed:  # while it was being written
                self._to_delete.append(entry)
        deleted = {id(entry) for entry in work.delete}
        self._to_delete = [entry for entry in self._to_delete if id(entry) not in deleted]

    def reconcile(self, rows: Iterable[StoredRow]) -> None:
        """Take over the content of the disk: all of it at the start, and again after the disk had failed.

        An event that is here and not on disk is to be written. One that is on disk and unknown here comes from an
        earlier run and goes ahead of all that wait.
        """
        to_delete = {(entry.row, *entry.key): entry for entry in self._to_delete}
        known = {entry.key: entry for entry in self.entries()}
        for entry in known.values():
            entry.row = None
        self._to_delete = []
        earlier = []
        for row in rows:
            key = row.event.boot_id, row.event.seq
            if (row.number, *key) in to_delete:
                self._to_delete.append(to_delete[row.number, *key])
            elif key in known:
                known[key].row = row.number
            else:
                earlier.append(
                    Entry(row.event, row.captured_boottime, row.added_monotonic, replayed=True, row=row.number)
                )
        self._waiting.extendleft(reversed(earlier))
        # One that was refused for the moment waits behind those in flight, and was handed over before them.
        unsaved = sorted(
            (entry for entry in self.entries() if entry.row is None),
            key=lambda entry: math.inf if entry.sent_number is None else entry.sent_number,
        )
        self._unsaved = {id(entry): entry for entry in unsaved}
        self._limit_count()

    def _limit_count(self) -> None:
        while self.depth > self._max_events and self._waiting:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.dropped += 1
        self.overflowed += 1
        self._remove(self._waiting.popleft(), dropped=True)

    def _remove(self, entry: Entry, *, dropped: bool) -> None:
        entry.removed = True
        self.ledger.removed(*entry.key, dropped=dropped)
        self._unsaved.pop(id(entry), None)
        if entry.row is not None:
            self._to_delete.append(entry)
