"""Decides which events are missing, from what the archive has of each boot. Pure: no database, no clock."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Hole(NamedTuple):
    """An event whose predecessor is not its number less one. `before`: that predecessor, None for the boot's first.

    `complete_from`: number from which on all of the boot should be there; None where that is not known.
    """

    device: str
    boot_id: str
    before: int | None
    seq: int
    complete_from: int | None


class End(NamedTuple):
    """A boot that is over. `decided`: events that its sensor decided. `waiting`: those that it still had to send.

    `last`: the highest number in the archive; None without an event.
    """

    device: str
    boot_id: str
    complete_from: int | None
    decided: int
    waiting: int
    last: int | None


class Gap(NamedTuple):
    """Numbers of one boot that are missing, from `first` to `last`."""

    device: str
    boot_id: str
    first: int
    last: int
    at_end: bool = False

    @property
    def missing(self) -> int:
        """How many are missing."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        """Return the gap as a line for people."""
        numbers = str(self.first) if self.missing == 1 else f"{self.first} to {self.last}"
        return f"{self.device} boot {self.boot_id}: {numbers} missing{' at the end' if self.at_end else ''}"


def find_gaps(holes: Iterable[Hole], ends: Iterable[End] = ()) -> Iterator[Gap]:
    """Yield the gaps.

    What a boot published before the archive knew of it, and what retention has deleted, is no gap. At its end, only
    what the sensor does not have any more is one: an event that waits comes with a later boot.
    """
    for hole in holes:
        before = hole.before
        if before is None:
            if hole.complete_from is None:
                continue
            before = 0
        first = max(before + 1, hole.complete_from or 0)
        if first < hole.seq:
            yield Gap(hole.device, hole.boot_id, first, hole.seq - 1)
    for end in ends:
        if end.last is None and end.complete_from is None:
            continue
        last = end.last if end.last is not None else 0
        last = max(last, (end.complete_from or 1) - 1)
        if end.decided - last > end.waiting:
            yield Gap(end.device, end.boot_id, last + 1, end.decided, at_end=True)
