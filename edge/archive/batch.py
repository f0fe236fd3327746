"""Collects records for one transaction, and decides when it is due. Reads no clock."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from edge.archive.records import (
    EventRecord,
    HealthRecord,
    InfoRecord,
    Record,
    StateRecord,
    StatusRecord,
    SummaryRecord,
)

MOST_MESSAGES: Final = 1000
"""Messages in one transaction. Larger ones cost as much per event, and a kill has more of it repeated."""
LONGEST_WAIT_SECONDS: Final = 0.25
"""Longest time that a message waits for others. Four transactions a second cost any disk little."""
QUIET_SECONDS: Final = 0.02
"""Time without a message after which no others are expected: a broker with MQTT 3.1.1 sends 10 or 20, and then waits
for their acknowledgement."""
MOST_SAMPLES: Final = 10_000
"""States and healths that wait while the database is away; beyond it the oldest go. Events are never dropped: the
broker keeps those that are not acknowledged."""

Ticket = TypeVar("Ticket")


@dataclass(slots=True)
class Batch(Generic[Ticket]):
    """Records of one transaction, by kind, in the order of their arrival; and what is acknowledged once it is done."""

    events: list[EventRecord] = field(default_factory=list)
    states: list[StateRecord] = field(default_factory=list)
    healths: list[HealthRecord] = field(default_factory=list)
    summaries: list[SummaryRecord] = field(default_factory=list)
    statuses: list[StatusRecord] = field(default_factory=list)
    infos: list[InfoRecord] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Add a record to those of its kind."""
        match record:
            case EventRecord():
                self.events.append(record)
            case StateRecord():
                self.states.append(record)
            case HealthRecord():
                self.healths.append(record)
            case SummaryRecord():
                self.summaries.append(record)
            case StatusRecord():
                self.statuses.append(record)
            case InfoRecord():
                self.infos.append(record)


class Collector(Generic[Ticket]):
    """Collects messages and hands them out as batches. `now` of all calls is on one clock that does not go backwards.

    A message with a ticket waits for ever, and the ticket comes out with its batch. One without is a sample, of which
    the oldest go where too many wait.
    """

    def __init__(self, *, most_messages: int = MOST_MESSAGES, most_samples: int = MOST_SAMPLES) -> None:
        self._most_messages = most_messages
        self._kept: deque[tuple[list[Record], Ticket]] = deque()
        self._samples: deque[list[Record]] = deque(maxlen=most_samples)
        self._first = self._last = 0.0
        self.samples_dropped = 0
        """Samples that went because too many waited."""

    @property
    def waiting(self) -> int:
        """Messages with a ticket that wait."""
        return len(self._kept)

    def add(self, records: list[Record], ticket: Ticket | None, now: float) -> None:
        """Add the records of one message, which may be none."""
        if not self._kept and not self._samples:
            self._first = now
        self._last = now
        if ticket is not None:
            self._kept.append((records, ticket))
        else:
            self.samples_dropped += len(self._samples) == self._samples.maxlen
            self._samples.append(records)

    def forget(self) -> None:
        """Drop the messages with a ticket, which their sender is about to send again."""
        self._kept.clear()

    def seconds_to_due(self, now: float) -> float | None:
        """Return the seconds until a batch is due, 0 where it is; None where nothing waits."""
        if not self._kept and not self._samples:
            return None
        if len(self._kept) >= self._most_messages:
            return 0.0
        return max(0.0, min(self._first + LONGEST_WAIT_SECONDS, self._last + QUIET_SECONDS) - now)

    def take(self, now: float) -> Batch[Ticket]:
        """Return the next batch, at most as many messages of either sort as a transaction may have."""
        batch: Batch[Ticket] = Batch()
        for _ in range(min(len(self._kept), self._most_messages)):
            records, ticket = self._kept.popleft()
            batch.tickets.append(ticket)
            for record in records:
                batch.add(record)
        for _ in range(min(len(self._samples), self._most_messages)):
            for record in self._samples.popleft():
                batch.add(record)
        self._first = now
        return batch
