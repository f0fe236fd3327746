"""Reduces events and states to tallies of minutes. Pure: all times come in, by a clock that no step changes.

Between two calls everything stays as the last one said: who is in view, and whether the sensor looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from edge.summary.tally import Tally, length_class

MINUTE_SECONDS: Final = 60.0
GAP_SECONDS: Final = 10.0
"""Time between two calls from which the sensor counts as not having looked. The daemon calls five times a second;
ten seconds without a call mean that the process was stopped or the machine suspended. Loading a model at a reload, the
longest that the daemon itself takes, is done in three seconds on a Raspberry Pi Zero 2 W."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A face in view: the number of its track, its announced label, and its valence, None where it has none."""

    track: int
    label: str
    valence: float | None = None


@dataclass(slots=True)
class Cell:
    """The tally of a stretch of at most a minute, which lies within one minute of the clock.

    `start`: by the clock that no step changes, in seconds. `length`: in seconds.
    """

    start: float
    length: float
    tally: Tally


@dataclass(slots=True)
class _Visit:
    began: float
    labels: set[str] = field(default_factory=set)


class Reducer:
    """Tallies minutes. Calls must come in the order of their times; one that is earlier counts as at the last time.

    `now`: the present time by the clock that no step changes. `offset`: the time of day less that clock, in seconds.
    """

    def __init__(self, now: float, offset: float) -> None:
        self._now = self._start = now
        self._offset = offset
        self._looking = False
        self._faces: tuple[Seen, ...] = ()
        self._visits: dict[int, _Visit] = {}
        self._tally = Tally()
        self._complete: list[Cell] = []

    def advance(self, now: float, *, looking: bool) -> None:
        """Count the time until `now`; from then on the sensor looks, or does not: it is paused, or its camera away."""
        self._count_until(now)
        self._looking = looking

    def appeared(self, now: float, track: int) -> None:
        """Begin a visit."""
        self._count_until(now)
        self._visits[track] = _Visit(self._now)
        self._tally.visits += 1

    def left(self, now: float, track: int) -> None:
        """End a visit; without effect where there is none."""
        self._count_until(now)
        visit = self._visits.pop(track, None)
        if visit is not None:
            self._tally.lengths[length_class(self._now - visit.began)] += 1
        self._faces = tuple(face for face in self._faces if face.track != track)

    def see(self, now: float, faces: Sequence[Seen]) -> None:
        """Set who is in view from now on. Faces that have not appeared are left out."""
        self._count_until(now)
        self._faces = tuple(face for face in faces if face.track in self._visits)
        for face in self._faces:
            shown = self._visits[face.track].labels
            if face.label not in shown:
                shown.add(face.label)
                self._tally.label(face.label).visits += 1

    def set_offset(self, now: float, offset: float) -> None:
        """Use another offset from now on: the clock was set. The minute that it ends is a shorter one."""
        self._count_until(now)
        self._close()
        self._offset = offset

    def take(self) -> list[Cell]:
        """Return the cells that are complete, and forget them."""
        cells, self._complete = self._complete, []
        return cells

    def running(self) -> Cell:
        """Return the cell that is not complete yet, as it is now. It must not be changed."""
        return Cell(self._start, self._now - self._start, self._tally)

    def finish(self, now: float) -> list[Cell]:
        """End the last cell and return all that are left. Visits that have not ended get no length."""
        self._count_until(now)
        self._close()
        return self.take()

    def _count_until(self, now: float) -> None:
        gap = now - self._now > GAP_SECONDS
        while now > self._now:
            minute = (self._now + self._offset) // MINUTE_SECONDS + 1
            until = minute * MINUTE_SECONDS - self._offset
            # Rounding may leave the end of the minute where it begins.
            until = until if until > self._now else until + MINUTE_SECONDS
            step = min(until, now)
            self._count(step - self._now, looking=self._looking and not gap)
            self._now = step
            if step == until:
                self._close()

    def _count(self, seconds: float, *, looking: bool) -> None:
        tally = self._tally
        if not looking:
            tally.not_looked_seconds += seconds
            return
        tally.looked_seconds += seconds
        if self._faces:
            tally.present_seconds += seconds
        for face in self._faces:
            tally.label(face.label).seconds += seconds
            if face.valence is not None:
                tally.valence_seconds += seconds
                tally.valence_sum += seconds * face.valence

    def _close(self) -> None:
        if self._now > self._start or self._tally != Tally():
            self._complete.append(Cell(self._start, self._now - self._start, self._tally))
        self._start, self._tally = self._now, Tally()
