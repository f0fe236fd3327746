"""Schedules the search: changed tiles soon, all tiles every few seconds, at an even cost per frame.

A function of the changes in the frames, their times and the level. Reads no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.detection.grid import Rectangle, SearchGrid, SearchJob

REFRESH_SECONDS: Final = 4.0
"""Period in which all tiles are searched even without a change: a face may be too faint for the change map,
or missed by the first search."""
_MOVING_REFRESH_SECONDS: Final = 2.5
"""Period in which all tiles are searched before a moving camera. Nothing else is searched there, so a new face may wait
that long."""
_ROUNDING: Final = 1e-9
"""Tolerance in the comparison of summed costs."""


@dataclass(slots=True)
class _ChangedTile:
    """A changed tile: its index, the frame of the change, and the job that searches the changed cells."""

    index: int
    since_frame: int
    job: SearchJob


class Schedule:
    """Spreads the search of frames of one size over time.

    A changed tile is searched within `search_frames` frames of the change. Changed tiles are searched in the
    order of their deadlines, at the pace that the tightest deadline requires, so that a scene with constant
    movement costs the same in every frame. In addition a slow refresh searches all tiles every
    REFRESH_SECONDS.
    """

    def __init__(self, grid: SearchGrid, bands: Sequence[int] | None = None, pace: "Schedule | None" = None) -> None:
        """`bands`: of the grid, those that are searched, by default all.

        `pace`: another schedule, whose search this one may cost in a frame at most; it then takes longer.
        """
        self._grid = grid
        self._tiles = [tile for tile in grid.tiles if bands is None or tile.band in bands]
        self._pace = pace
        self._changed_since: list[int | None] = [None] * len(self._tiles)
        self._full: dict[float, tuple[list[SearchJob], float]] = {}
        self._frame = 0
        self._seconds: float | None = None
        self._refresh_credit = 0.0
        self._next_refresh = 0

    def full_search(self, step: float) -> tuple[list[SearchJob], float]:
        """Return the jobs of all whole tiles, and their total cost; `step`: ratio between sizes."""
        if step not in self._full:
            jobs = [self._grid.job(tile.band, tile.cells, step) for tile in self._tiles]
            self._full[step] = jobs, sum(job.cost for job in jobs)
        return self._full[step]

    def paced_cost(self, step: float) -> float:
        """Return the cost of what is searched in the time of one search of the whole frame."""
        return min(one.full_search(step)[1] for one in (self, self._pace) if one is not None)

    def plan(
        self,
        changed: Sequence[NDArray[np.uint8] | None],
        seconds: float,
        search_frames: int,
        step: float,
        *,
        moving: bool = False,
    ) -> list[SearchJob]:
        """Return the jobs of the next frame.

        `changed`: for each band uint8 (rows, columns), not 0 where a window with its centre in that cell has
        changed since it was last searched, as `ChangeMap.changed` returns it; None for a band without change.
        `seconds`: time of the frame. `search_frames`: frames over which a search of the whole frame is spread.
        `step`: ratio between the sizes that are searched. `moving`: whether the whole picture moves, so that a change
        is no news and `changed` has none; the refresh then takes _MOVING_REFRESH_SECONDS.
        """
        self._frame += 1
        due = self._due(self._changed_tiles(changed, step), search_frames, step)
        searched = {tile.index for tile in due}
        for index in searched:
            self._changed_since[index] = None
        period = _MOVING_REFRESH_SECONDS if moving else REFRESH_SECONDS
        return [tile.job for tile in due] + self._refresh(seconds, search_frames, step, searched, period)

    def _changed_tiles(self, changed: Sequence[NDArray[np.uint8] | None], step: float) -> list[_ChangedTile]:
        """Return the changed tiles in the order of their deadlines."""
        tiles = []
        for index, tile in enumerate(self._tiles):
            mask = changed[tile.band]
            cells = None if mask is None else _bounds(mask, tile.cells)
            if cells is None:
                self._changed_since[index] = None
                continue
            since_frame = self._changed_since[index]
            if since_frame is None:
                since_frame = self._changed_since[index] = self._frame
            job = self._grid.job(tile.band, cells, step)
            if job.cost > 0:
                tiles.append(_ChangedTile(index, since_frame, job))
        return sorted(tiles, key=lambda tile: tile.since_frame)

    def _due(self, tiles: list[_ChangedTile], search_frames: int, step: float) -> list[_ChangedTile]:
        """Return the tiles for this frame: the pace of the tightest deadline, at most an even share of the frame."""
        total = pace = 0.0
        for tile in tiles:
            total += tile.job.cost
            pace = max(pace, total / max(1, tile.since_frame + search_frames - self._frame))
        pace = min(pace, self.paced_cost(step) / search_frames)
        due, spent = [], 0.0
        for tile in tiles:
            if spent >= pace - _ROUNDING:
                break
            due.append(tile)
            spent += tile.job.cost
        return due

    def _refresh(
        self, seconds: float, search_frames: int, step: float, searched: set[int], period_seconds: float
    ) -> list[SearchJob]:
        """Return the next jobs of the refresh, without the tiles that this frame searches already."""
        jobs, full_cost = self.full_search(step)
        if full_cost <= 0:
            return []
        elapsed = 0.0 if self._seconds is None else seconds - self._seconds
        self._seconds = seconds
        paced_cost = self.paced_cost(step)
        share = paced_cost / search_frames
        max_credit = share + max(job.cost for job in jobs)
        self._refresh_credit = min(self._refresh_credit + paced_cost * elapsed / period_seconds, max_credit)
        chosen, spent = [], 0.0
        for _ in jobs:
            job = jobs[self._next_refresh]
            if job.cost > self._refresh_credit or spent >= share:
                break
            if job.cost > 0 and self._next_refresh not in searched:
                chosen.append(job)
                spent += job.cost
            self._refresh_credit -= job.cost
            self._next_refresh = (self._next_refresh + 1) % len(jobs)
        return chosen


def _bounds(changed: NDArray[np.uint8], cells: Rectangle) -> Rectangle | None:
    """Return the bounding box of the changed cells within `cells`, None where none has changed."""
    left, top, right, bottom = cells
    x, y, width, height = cv2.boundingRect(changed[top:bottom, left:right])
    return (left + x, top + y, left + x + width, top + y + height) if width else None
