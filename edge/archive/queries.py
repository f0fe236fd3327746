"""Holds the SQL that is the same for SQLite and PostgreSQL, and what both make of a batch. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from edge.archive.batch import Batch

HOLES: Final = """
SELECT n.device, n.boot_id, n.before, n.seq, b.complete_from
FROM (SELECT device, boot_id, seq, LAG(seq) OVER (PARTITION BY device, boot_id ORDER BY seq) AS before FROM event) AS n
LEFT JOIN boot AS b ON b.device = n.device AND b.boot_id = n.boot_id
WHERE n.seq > n.before + 1 OR (n.before IS NULL AND n.seq > b.complete_from)
ORDER BY n.device, n.boot_id, n.seq
"""
"""Rows of `edge.archive.gaps.Hole`. One pass over the primary key."""

RECENT_HOLES: Final = """
WITH recent AS (
    SELECT device, boot_id, MIN(seq) AS low FROM event WHERE received >= {since} GROUP BY device, boot_id
), span AS (
    SELECT r.device, r.boot_id, COALESCE((
        SELECT MAX(p.seq) FROM event AS p WHERE p.device = r.device AND p.boot_id = r.boot_id AND p.seq < r.low
    ), r.low) AS low FROM recent AS r
), n AS (
    SELECT e.device, e.boot_id, e.seq, LAG(e.seq) OVER (PARTITION BY e.device, e.boot_id ORDER BY e.seq) AS before
    FROM span AS s JOIN event AS e ON e.device = s.device AND e.boot_id = s.boot_id AND e.seq >= s.low
)
SELECT n.device, n.boot_id, n.before, n.seq, b.complete_from
FROM n LEFT JOIN boot AS b ON b.device = n.device AND b.boot_id = n.boot_id
WHERE n.seq > n.before + 1
ORDER BY n.device, n.boot_id, n.seq
"""
"""The same for boots of which an event was received since a time, from the event before that one on."""

ENDS: Final = """
SELECT b.device, b.boot_id, b.complete_from, b.events_decided, COALESCE(b.events_waiting, 0),
    (SELECT MAX(e.seq) FROM event AS e WHERE e.device = b.device AND e.boot_id = b.boot_id)
FROM boot AS b WHERE b.events_decided IS NOT NULL
ORDER BY b.device, b.boot_id
"""
"""Rows of `edge.archive.gaps.End`."""

RETAINED_TABLES: Final = ("event", "state", "health", "summary", "status")
"""Tables whose rows are deleted by age."""

Item = TypeVar("Item")


def newest(records: Iterable[Item], key: Callable[[Item], Any]) -> list[Item]:
    """Return the last of the records with each key, in the order of the keys.

    A statement of PostgreSQL changes a row once; and two archivers that lock rows in one order never wait for each
    other.
    """
    return [record for _, record in sorted({key(record): record for record in records}.items())]


def boots_of(batch: Batch[Any]) -> list[tuple[str, str, int | None]]:
    """Return device, id and first complete number, if known, of each boot that the batch's events belong to."""
    lowest: dict[tuple[str, str], int] = {}
    for event in batch.events:
        key = event.device, event.boot_id
        lowest[key] = min(event.seq, lowest.get(key, event.seq))
    return [(device, boot_id, 1 if seq == 1 else None) for (device, boot_id), seq in sorted(lowest.items())]
