"""Computes how much room on its disk the outbox needs, and reads how much there is.

A write-ahead log on a disk without room is a trap: the log cannot be emptied into the database, because the database
cannot grow, and nothing can be deleted, because the log cannot grow either. So the log is bounded, and no event is
written where the room for what follows is missing.
"""

import os
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 4096
"""Page size of SQLite since version 3.12, and the block size of most file systems."""

LOG_PAGES: Final = 16
"""Pages in the write-ahead log from which they are moved into the database. One event takes two to three. More pages
mean fewer moves (with 16 a commit takes 3.3 ms instead of 3.0 on one SSD), and less room on a small disk."""

COMMIT_EVENTS: Final = 32
"""Events that are written in one transaction: it must fit into the log as a whole."""

COMMIT_DELETES: Final = 192
"""Rows that are deleted in one transaction. Most of their pages become empty, and empty pages are not logged."""

EVENT_BYTES: Final = 1000
"""An event on disk, generously: 827 bytes with seven labels and three groups."""

_COMMIT_PAGES: Final = COMMIT_EVENTS * EVENT_BYTES // PAGE_BYTES + 5
"""Pages that one transaction changes at most: of the events, of the tree above them, of the clocks, the header."""

LOG_BYTES: Final = (LOG_PAGES + _COMMIT_PAGES) * (PAGE_BYTES + 24)
"""Largest size of the log: a page has a header of 24 bytes there (sqlite.org/fileformat2.html, 4.1)."""

LEAST_FREE_BYTES: Final = LOG_BYTES + (LOG_PAGES + _COMMIT_PAGES) * PAGE_BYTES
"""Room without which no event is written: for the log, and for what it holds in the database (about 0.24 MB)."""


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that this user may still write on the disk of `folder`; None where the disk does not tell."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    # Some network file systems report no size at all.
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def no_more_files(folder: Path) -> bool:
    """Return whether the disk of `folder` has room for no further file (inodes), whatever their size."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_files > 0 and disk.f_favail == 0


def outbox_bytes(max_events: int) -> int:
    """Return the room that a full outbox takes."""
    return max_events * EVENT_BYTES + LEAST_FREE_BYTES


def events_that_fit(bytes_free: int) -> int:
    """Return how many events `bytes_free` hold."""
    return max(0, bytes_free - LEAST_FREE_BYTES) // EVENT_BYTES


def megabytes(count: int) -> str:
    """Return a size for people, as in 0.24 MB or 12 MB."""
    millions = count / 1_000_000
    return f"{millions:,.0f} MB" if millions >= 10 else f"{millions:.2f} MB"  # noqa: PLR2004
