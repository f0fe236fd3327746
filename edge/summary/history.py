"""Keeps the tallies of the last days in memory, and finds the hour and the day of each by the clock as it is now.

Pure: the offset of the clock comes in. A board without a battery starts with a wrong time of day. So a cell keeps its
time by the clock that no step changes, and once the time of day is set, the cells of this start of the machine move.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.messages.event_time import STEP_SECONDS
from edge.summary.local_time import LocalTime
from edge.summary.reducer import Cell
from edge.summary.tally import Tally

MEMORY_CELLS: Final = 3_000
"""Saved minutes that are kept in memory: somewhat more than two days, of which the running and the last one are
published. They take some 2 MB."""
MOST_UNSAVED: Final = 10_080
"""Minutes that are kept for a disk that cannot be written to: a week."""


@dataclass(slots=True)
class PlacedCell:
    """A tally with its place in time.

    `boot`: identity of the start of the machine in which it was made. `start`: by that machine's clock that no step
    changes, seconds. `length`: seconds. `unix`: the start by the time of day, as far as known.
    """

    boot: str
    start: float
    length: float
    unix: float
    tally: Tally

    @property
    def middle(self) -> float:
        """Time of day in its middle, which decides the period it belongs to: a clock that drifts moves its ends."""
        return self.unix + self.length / 2


class History:
    """Tallies by hour.

    `boot`: identity of this start of the machine. `local`: hours and days. `saved`: cells that are on the disk.
    """

    def __init__(self, boot: str, local: LocalTime, saved: Iterable[PlacedCell] = ()) -> None:
        self._boot = boot
        self._local = local
        self._cells = list(saved)[-MEMORY_CELLS:]
        self._unsaved: list[PlacedCell] = []
        self._hours: dict[float, Tally] = {}
        self._rebuild()

    def set_offset(self, offset: float) -> None:
        """Move the cells of this start of the machine to where they belong by a clock that was set."""
        moved = False
        for cell in (*self._cells, *self._unsaved):
            if cell.boot == self._boot and abs(cell.start + offset - cell.unix) >= STEP_SECONDS:
                cell.unix = cell.start + offset
                moved = True
        if moved:
            self._rebuild()

    def add(self, cells: Iterable[Cell], offset: float) -> None:
        """Add complete cells. `offset`: the time of day less the clock that no step changes, seconds."""
        for cell in cells:
            placed = self.place(cell, offset)
            self._unsaved.append(placed)
            self._count(placed)
        del self._unsaved[:-MOST_UNSAVED]

    def unsaved(self) -> Sequence[PlacedCell]:
        """Return the cells that are not on the disk."""
        return tuple(self._unsaved)

    def mark_saved(self, cells: Sequence[PlacedCell]) -> None:
        """Note that cells which `unsaved` returned are on the disk."""
        written = {id(cell) for cell in cells}
        self._unsaved = [cell for cell in self._unsaved if id(cell) not in written]
        self._cells.extend(cells)
        if len(self._cells) > MEMORY_CELLS:
            del self._cells[:-MEMORY_CELLS]
            self._rebuild()

    def total(self, start: float, end: float, running: PlacedCell | None = None) -> Tally | None:
        """Return the tally of all hours from `start` to `end`, with the running cell; None where there is nothing."""
        found = [tally for hour, tally in self._hours.items() if start <= hour < end]
        if running is not None and start <= running.middle < end:
            found.append(running.tally)
        if not found:
            return None
        total = Tally()
        for tally in found:
            total.add(tally)
        return total

    def place(self, cell: Cell, offset: float) -> PlacedCell:
        """Return a cell of this start of the machine in its place. `offset`: as of `add`."""
        return PlacedCell(self._boot, cell.start, cell.length, cell.start + offset, cell.tally)

    def _rebuild(self) -> None:
        self._hours = {}
        for cell in (*self._cells, *self._unsaved):
            self._count(cell)

    def _count(self, cell: PlacedCell) -> None:
        start, _ = self._local.hour(cell.middle)
        self._hours.setdefault(start, Tally()).add(cell.tally)
