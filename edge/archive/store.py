"""Defines what the archive needs of a database."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.archive.batch import Batch
from edge.archive.gaps import End, Hole

EVENT_COLUMNS = (
    "device",
    "boot_id",
    "seq",
    "time",
    "received",
    "type",
    "track",
    "zones",
    "emotion",
    "previous",
    "confidence",
    "valence",
    "latency_ms",
    "replayed",
    "clock_synchronised",
    "payload",
)
"""Columns of an event, in the order of `Store.events`."""


class StoreAwayError(Exception):
    """A database that cannot be used now, and may be later; the text is the reason."""


@dataclass(slots=True)
class Written:
    """What became of a batch.

    `events`: new ones. `repeated`: those that were there. `rejected`: why records were not taken, a reason each.
    """

    events: int = 0
    repeated: int = 0
    rejected: list[str] = field(default_factory=list)


class Store(Protocol):
    """A database with the archive's schema. One thread uses it.

    Every method but `open` raises StoreAwayError, after which the next call connects again.
    """

    def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises ArchiveError for what another attempt would not change, such as a newer schema; and StoreAwayError.
        """

    def write(self, batch: Batch[Any]) -> Written:
        """Write a batch in one transaction, which is on the disk when this returns.

        A record that the database does not take is left out, and the others are written.
        """

    def delete_older(self, days: int, limit: int) -> int:
        """Delete at most `limit` rows of each table that were received more than `days` days ago; return how many."""

    def holes(self, since_seconds: float | None = None) -> Iterator[Hole]:
        """Yield where numbers are missing between events, or before the first of a boot.

        `since_seconds`: only where an event was received so many seconds ago at most.
        """

    def ends(self) -> Iterator[End]:
        """Yield what is known of the ends of boots that are over."""

    def events(
        self, since: datetime.datetime | None, until: datetime.datetime | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the events of a time, `until` excluded, by time, in blocks of rows as `EVENT_COLUMNS` names them.

        Times are in UTC, `zones` is a list, `payload` is JSON.
        """

    def close(self) -> None:
        """Close the connection; without effect where there is none."""
