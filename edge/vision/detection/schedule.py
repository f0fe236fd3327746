"""When each part of the frame is searched: what changed soon, everything now and then, each frame its share.

Pure: a function of the frames' changes, their times and the level. Reads no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.detection.grid import Rectangle, SearchGrid, SearchJob

REFRESH_SECONDS: Final = 4.0
"""Every place is searched again after so long even where no change was seen: a face may be too faint for
that, or missed the first time."""
_NOW: Final = 1e-9


@dataclass(slots=True)
class _Waiting:
    """A tile that changed: since which frame, which cells, and the job."""

    tile: int
    since: int
    job: SearchJob


class Schedule:
    """Spreads the search of frames of one size over time.

    A tile that changed is searched within `search_frames` frames of the change. Those that wait are taken
    in the order of their deadlines, at the pace that the tightest deadline asks for, so that a scene that
    goes on moving costs the same in every frame. Beside that, a trickle goes round all tiles in
    REFRESH_SECONDS.
    """

    def __init__(self, layout: SearchGrid) -> None:
        self._layout = layout
        self._since: list[int | None] = [None] * len(layout.tiles)
        self._full: dict[float, tuple[list[SearchJob], float]] = {}
        self._frame = 0
        self._seconds: float | None = None
        self._credit = 0.0
        self._next = 0

    def full(self, step: float) -> tuple[list[SearchJob], float]:
        """Return the job of each whole tile, and what all of them cost together."""
        if step not in self._full:
            jobs = [self._layout.search(tile.band, tile.cells, step) for tile in self._layout.tiles]
            self._full[step] = jobs, sum(job.cost for job in jobs)
        return self._full[step]

    def plan(
        self, changed: Sequence[NDArray[np.uint8] | None], seconds: float, search_frames: int, step: float
    ) -> list[SearchJob]:
        """Return the jobs of the next frame.

        `changed`: for each band uint8 (rows, columns), not 0 where a window centred in that cell may show
        something that was not there when it was last searched; None where there is no such cell. `seconds`: the frame's
        time. `search_frames`: frames over which a search of everything is spread; `step` between sizes.
        """
        self._frame += 1
        waiting = self._waiting(changed, step)
        jobs = self._due(waiting, search_frames, step)
        taken = {one.tile for one in jobs}
        for tile in taken:
            self._since[tile] = None
        return [one.job for one in jobs] + self._refresh(seconds, search_frames, step, taken)

    def _waiting(self, changed: Sequence[NDArray[np.uint8] | None], step: float) -> list[_Waiting]:
        waiting = []
        for number, tile in enumerate(self._layout.tiles):
            mask = changed[tile.band]
            cells = None if mask is None else _bounds(mask, tile.cells)
            if cells is None:
                self._since[number] = None
                continue
            since = self._since[number]
            if since is None:
                since = self._since[number] = self._frame
            job = self._layout.search(tile.band, cells, step)
            if job.cost > 0:
                waiting.append(_Waiting(number, since, job))
        return sorted(waiting, key=lambda one: one.since)

    def _due(self, waiting: list[_Waiting], search_frames: int, step: float) -> list[_Waiting]:
        """Take as many as the tightest deadline asks for, and never more than an even share of everything."""
        total = pace = 0.0
        for one in waiting:
            total += one.job.cost
            pace = max(pace, total / max(1, one.since + search_frames - self._frame))
        pace = min(pace, self.full(step)[1] / search_frames)
        taken, spent = [], 0.0
        for one in waiting:
            if spent >= pace - _NOW:
                break
            taken.append(one)
            spent += one.job.cost
        return taken

    def _refresh(self, seconds: float, search_frames: int, step: float, taken: set[int]) -> list[SearchJob]:
        jobs, everything = self.full(step)
        if everything <= 0:
            return []
        elapsed = 0.0 if self._seconds is None else seconds - self._seconds
        self._seconds = seconds
        share = everything / search_frames
        self._credit = min(self._credit + everything * elapsed / REFRESH_SECONDS, share + max(job.cost for job in jobs))
        chosen, spent = [], 0.0
        for _ in jobs:
            job = jobs[self._next]
            if job.cost > self._credit or spent >= share:
                break
            if job.cost > 0 and self._next not in taken:
                chosen.append(job)
                spent += job.cost
            self._credit -= job.cost
            self._next = (self._next + 1) % len(jobs)
        return chosen


def _bounds(changed: NDArray[np.uint8], cells: Rectangle) -> Rectangle | None:
    """Return the smallest rectangle around the changed cells of a rectangle, None where there is none."""
    left, top, right, bottom = cells
    x, y, width, height = cv2.boundingRect(changed[top:bottom, left:right])
    return (left + x, top + y, left + x + width, top + y + height) if width else None
