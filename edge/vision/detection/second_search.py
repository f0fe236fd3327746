"""Schedules the second search, for faces that the first one misses: tilted, at the edge, or hard for its cascade.

A function of the changes in the frames and their times. Reads no clock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.vision.detection.grid import SearchGrid
from edge.vision.turned import TurnedWindow

SEARCH_ROLLS: Final = (0.0, -35.0, 35.0)
"""Rolls at which the frame is searched, degrees. The cascade finds a face up to 20 degrees from upright, the weaker the
further; `redetect` finds the roll between them."""
SCALE_STEP: Final = 1.2
"""Ratio between the sizes that are searched: half the cost of 1.1."""
_LOOKS: Final = 3
"""Searches of a tile after a change: one finds only two of three turned faces."""
_ROLL_OFFSETS: Final = (0.0, 9.0, -9.0)
"""Added to the roll in these searches, so that each sees something else."""
_TILE_WINDOWS: Final = 7
"""Side of a tile in windows of its band. Larger ones than in the upright search, because there are few of them."""
_OVERLAP: Final = 0.55
"""Margin around the centres of a search, in sides of its largest window."""
_PERIOD_SECONDS: Final = 14.0
"""Where everything changes all the time, this search costs as much as an upright search of the frame in this period."""
_MIN_WAIT_SECONDS: Final = 0.1
"""Added to the time that a tile waits: of those that have changed just now the cheaper are searched first."""
_BURST: Final = 1.5
"""Largest credit, in upright searches of the whole frame: enough for somebody who enters a quiet scene."""
_FIRST_CREDIT: Final = 0.5
"""Credit after the first frame, which was searched for large faces already."""
_RESERVE: Final = 0.75
"""Credit that is kept for changes: what has not changed since the first frame is searched with the rest."""
_REFRESH_SECONDS: Final = 60.0
"""Period in which everything is searched even without a change."""
_FIRST_REFRESH_SECONDS: Final = 30.0
"""Period of the first refresh: the first frame is searched for large faces only."""
_SHARE: Final = 0.5
"""Cost of this search in one frame at most, in the share of the upright search for one frame."""
_Axis = NDArray[np.float64]
"""Coordinate of the centre of each cell of the grid, pixels of an octave."""


@dataclass(frozen=True, slots=True)
class SecondJob:
    """The search of one band through a turned window.

    `window`: on the frame halved as often as the band says. `cost`: in the unit of `SearchGrid.cost`. `turned`: whether
    it looks for tilted faces, with the search cascade; an upright one uses the verification cascade.
    """

    band: int
    window: TurnedWindow
    cost: float
    turned: bool


@dataclass(frozen=True, slots=True)
class _BandTiles:
    """Tiles of one band at all rolls: `first` to `last` (exclusive) in the list of all jobs.

    `cell_tiles`: int32 (rolls, cells), the tile of each cell; the number of all tiles where a cell has none.
    """

    band: int
    first: int
    last: int
    cell_tiles: NDArray[np.int32]


class SecondSearch:
    """Spreads this search of frames of one size over time, within a credit that grows with time.

    Tiles that changed come first, in the order of their changes.
    """

    def __init__(self, grid: SearchGrid) -> None:
        self._grid = grid
        self._jobs: list[SecondJob] = []
        # A band so narrow that it holds no size of this search is left to the upright one.
        searched = [band for band in range(len(grid.bands)) if grid.cost(band, (0, 0, 1, 1), SCALE_STEP)]
        self._band_tiles = [self._make_tiles(band) for band in searched]
        for tiles in self._band_tiles:
            tiles.cell_tiles[tiles.cell_tiles < 0] = len(self._jobs)
        self._changed_since = np.full(len(self._jobs) + 1, math.inf)
        """For each tile the frame time of the first change since its last search, inf without one. One element more
        stands for the cells without a tile."""
        self._looks = np.zeros(len(self._jobs) + 1, dtype=np.int64)
        """For each tile how often it was searched since its last change."""
        costs = np.bincount([job.band for job in self._jobs], [job.cost for job in self._jobs])
        self._band_costs = np.array([costs[job.band] for job in self._jobs])
        self._large_first = np.argsort(self._band_costs, kind="stable")
        """All tiles, those of large faces, which cost least, first."""
        self._searched_seconds = self._first_refresh()
        """For each tile the frame time of its last search; before the first frame, seconds from that frame."""
        self._credit = _FIRST_CREDIT
        self._seconds: float | None = None

    def first(self, seconds: float, full_cost: float) -> list[SecondJob]:
        """Return the jobs of the first frame: large faces first, at the cost of one upright search of the frame."""
        self._elapsed(seconds)
        jobs, spent = [], 0.0
        for index in self._large_first.tolist():
            if spent >= full_cost:
                break
            jobs.append(self._search(index, seconds))
            spent += jobs[-1].cost
        return jobs

    def plan(
        self, changed: Sequence[NDArray[np.uint8] | None], seconds: float, full_cost: float, search_frames: int
    ) -> list[SecondJob]:
        """Return the jobs of the next frame.

        `changed`: as `ChangeMap.changed` returns it. `seconds`: time of the frame. `full_cost`: cost of an upright
        search of the whole frame. `search_frames`: frames over which that is spread.
        """
        self._credit = min(_BURST, self._credit + self._elapsed(seconds) / _PERIOD_SECONDS)
        self._mark_changed(changed, seconds)
        credit, limit = self._credit * full_cost, _SHARE / search_frames * full_cost
        since = np.minimum(self._changed_since[:-1], self._searched_seconds + _REFRESH_SECONDS)
        if since.min(initial=math.inf) > seconds:
            return []
        # First looks before second ones. Among these each tile waits in proportion to the cost of its band, so that
        # large faces are found soon, and none starves.
        waiting = (seconds - since + _MIN_WAIT_SECONDS) / self._band_costs
        looks = np.where(np.isinf(self._changed_since[:-1]), _LOOKS, self._looks[:-1])
        jobs: list[SecondJob] = []
        spent = 0.0
        for index in np.lexsort((-waiting, looks, since > seconds)).tolist():
            cost = self._jobs[index].cost
            changed_now = self._changed_since[index] <= seconds
            # One job may cost more than its share of a frame: in a small frame a tile is large.
            if since[index] > seconds or spent + cost > credit or (jobs and spent + cost / 2 > limit):
                break
            if not changed_now and spent + cost > credit - _RESERVE * full_cost:
                continue
            jobs.append(self._search(index, seconds))
            spent += jobs[-1].cost
        if spent:
            self._credit -= spent / full_cost
        return jobs

    def _elapsed(self, seconds: float) -> float:
        """Return the time since the frame before, and begin the stream with the first one."""
        if self._seconds is None:
            self._searched_seconds += seconds
        elapsed = 0.0 if self._seconds is None else seconds - self._seconds
        self._seconds = seconds
        return elapsed

    def _first_refresh(self) -> NDArray[np.float64]:
        """Spread the first refresh over its period, large faces first: at once it costs too much."""
        costs = np.array([job.cost for job in self._jobs])[self._large_first]
        searched = np.empty(len(costs))
        searched[self._large_first] = _FIRST_REFRESH_SECONDS * np.cumsum(costs) / max(float(costs.sum()), 1.0)
        return searched - _REFRESH_SECONDS

    def _search(self, index: int, seconds: float) -> SecondJob:
        offset = _ROLL_OFFSETS[int(self._looks[index]) % len(_ROLL_OFFSETS)]
        self._looks[index] += 1
        self._searched_seconds[index] = seconds
        # The next look has to wait for the first looks of other tiles.
        again = math.isfinite(self._changed_since[index]) and self._looks[index] < _LOOKS
        self._changed_since[index] = seconds if again else math.inf
        job = self._jobs[index]
        return replace(job, window=replace(job.window, roll_degrees=job.window.roll_degrees + offset))

    def _mark_changed(self, changed: Sequence[NDArray[np.uint8] | None], seconds: float) -> None:
        """Record a change in all tiles that have a cell in the mask of their band."""
        for band in self._band_tiles:
            mask = changed[band.band]
            # In a scene with constant movement most tiles wait for their search already.
            if mask is None or np.isfinite(self._changed_since[band.first : band.last]).all():
                continue
            tiles = band.cell_tiles[:, np.flatnonzero(mask)].ravel()
            fresh = tiles[np.isinf(self._changed_since[tiles])]
            self._looks[fresh] = 0
            self._changed_since[fresh] = seconds

    def _make_tiles(self, band: int) -> _BandTiles:
        octave = self._grid.bands[band].octave
        side = self._grid.cell_px / 2**octave
        rows, columns = np.indices((self._grid.rows, self._grid.columns))
        x, y = (columns.ravel() + 0.5) * side, (rows.ravel() + 0.5) * side
        first = len(self._jobs)
        cell_tiles = np.stack([self._make_layer(band, x, y, side, roll) for roll in SEARCH_ROLLS])
        return _BandTiles(band, first, len(self._jobs), cell_tiles)

    def _make_layer(self, band: int, x: _Axis, y: _Axis, cell_px: float, roll: float) -> NDArray[np.int32]:
        """Make tiles that cover the frame in coordinates turned by `roll`, and do not overlap.

        Returns the tile of each cell, int32 (cells,), -1 where it has none.
        """
        largest = self._grid.bands[band].largest
        radians = math.radians(roll)
        cosine, sine = math.cos(radians), math.sin(radians)
        across, down = cosine * x + sine * y, cosine * y - sine * x
        columns, rows = (_parts(values, _TILE_WINDOWS * largest) for values in (across, down))
        margin = _OVERLAP * largest + cell_px / 2
        cell_tiles = np.full(len(x), -1, dtype=np.int32)
        for row, column in sorted(set(zip(rows.tolist(), columns.tolist(), strict=True))):
            cells = (rows == row) & (columns == column)
            cell_tiles[cells] = len(self._jobs)
            left, right = across[cells].min() - margin, across[cells].max() + margin
            top, bottom = down[cells].min() - margin, down[cells].max() + margin
            middle_across, middle_down = float(left + right) / 2, float(top + bottom) / 2
            centre = cosine * middle_across - sine * middle_down, sine * middle_across + cosine * middle_down
            size = math.ceil(right - left), math.ceil(bottom - top)
            self._add_job(band, TurnedWindow(centre, 1.0, *size, roll))
        return cell_tiles

    def _add_job(self, band: int, window: TurnedWindow) -> None:
        cost = self._grid.cost(band, (0, 0, window.width, window.height), SCALE_STEP)
        self._jobs.append(SecondJob(band, window, cost, turned=window.roll_degrees != 0))


def _parts(values: _Axis, length: float) -> NDArray[np.int64]:
    """Divide values evenly into parts of about a length; returns the part of each, int64, from 0."""
    low, high = float(values.min()), float(values.max())
    parts = max(1, round((high - low) / length))
    step = (high - low) / parts or 1.0
    return np.asarray(np.minimum(parts - 1, np.floor((values - low) / step)), dtype=np.int64)
