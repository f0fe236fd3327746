"""How a frame is divided for the search: octaves of size, bands of sizes, tiles of places. Pure arithmetic."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

CELL_PX: Final = 6
"""Side of a cell, the unit in which change is seen, in pixels of the finest picture searched: a quarter of
the cascade's window, so that the smallest face covers four by four."""
_TILE_WINDOWS: Final = 4
"""Side of a tile in windows of its band: larger ones overlap less, smaller ones follow the change closer."""
_OVERLAP: Final = 0.65
"""Margin around the centres of a search, in its largest windows: half a window, and some more so that a
face on the border gathers its neighbours."""
_FIXED_COST: Final = 4000
"""What a search costs however small it is, in the unit of `SearchGrid.cost`."""

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two are outside."""


@dataclass(frozen=True, slots=True)
class ScaleBand:
    """Half an octave of face sizes, `smallest` to `largest` pixels of the picture halved `octave` times."""

    octave: int
    smallest: int
    largest: int


@dataclass(frozen=True, slots=True)
class Tile:
    """Windows of one band whose centres are in a rectangle of cells."""

    band: int
    cells: Rectangle


@dataclass(frozen=True, slots=True)
class SearchJob:
    """One job: a band's windows with centres in `cells`.

    `region`: what has to be looked at for it, pixels of the band's picture. `cost`: in windows' positions.
    """

    band: int
    cells: Rectangle
    region: Rectangle
    cost: float


@cache
def window_sizes(window: int, step: float, smallest: int, largest: int) -> tuple[int, ...]:
    """Return the sizes that OpenCV's search tries between two limits: `window` times a power of `step`, rounded."""
    sizes, power = [], 1.0
    while (size := round(window * power)) <= largest:
        if size >= smallest:
            sizes.append(size)
        power *= step
    return tuple(sizes)


class SearchGrid:
    """Bands, tiles and what they cost, for frames of one size.

    Each octave is searched on a picture in which its smallest faces are as large as the cascade's window:
    OpenCV moves the window by two pixels there, and by one, four times as often, once it is reduced more.
    """

    def __init__(self, width: int, height: int, window: int, smallest: float, largest: float) -> None:
        """Frame size, and the faces' limits, in its pixels; `window`: side of the cascade's window."""
        self.window = window
        self.first_octave = max(0, math.floor(math.log2(max(smallest, 1) / window)))
        self._width, self._height = width, height
        finest_width, finest_height = width >> self.first_octave, height >> self.first_octave
        self.columns, self.rows = finest_width // CELL_PX, finest_height // CELL_PX
        self.cell_px = CELL_PX << self.first_octave
        """Side of a cell in pixels of the frame."""
        self.bands = tuple(self._bands(smallest, largest)) if self.columns and self.rows else ()
        self.tiles = tuple(tile for number in range(len(self.bands)) for tile in self._tiles(number))

    def size(self, octave: int) -> tuple[int, int]:
        """Width and height of the picture halved so often."""
        return self._width >> octave, self._height >> octave

    def search(self, band: int, cells: Rectangle, step: float) -> SearchJob:
        """Return the job of finding the faces of a band with centres in these cells; `step` between sizes."""
        one = self.bands[band]
        width, height = self.size(one.octave)
        cell = CELL_PX * 2.0 ** (self.first_octave - one.octave)
        margin = _OVERLAP * one.largest
        left, top, right, bottom = cells
        # The frame's last pixels, too few for a cell, belong to the last one.
        region = (
            max(0, math.floor(left * cell - margin)),
            max(0, math.floor(top * cell - margin)),
            width if right == self.columns else min(width, math.ceil(right * cell + margin)),
            height if bottom == self.rows else min(height, math.ceil(bottom * cell + margin)),
        )
        return SearchJob(band, cells, region, self.cost(band, region, step))

    def cost(self, band: int, region: Rectangle, step: float) -> float:
        """Estimate what a search costs: pixels of the region at each size to which it is reduced.

        0 where `step` leaves no size to search.
        """
        one = self.bands[band]
        sizes = window_sizes(self.window, step, one.smallest, one.largest)
        if not sizes:
            return 0.0
        pixels = (region[2] - region[0]) * (region[3] - region[1])
        return _FIXED_COST + pixels * float(sum((self.window / size) ** 2 for size in sizes))

    def _bands(self, smallest: float, largest: float) -> list[ScaleBand]:
        bands, window = [], self.window
        middle = round(window * math.sqrt(2))
        octave = self.first_octave
        while min(self.size(octave)) >= window and window << octave <= largest:
            for low, high in ((window, middle - 1), (middle, 2 * window - 1)):
                band = ScaleBand(
                    octave,
                    max(low, math.ceil(smallest / 2**octave)),
                    min(high, math.floor(largest / 2**octave), *self.size(octave)),
                )
                if band.smallest <= band.largest:
                    bands.append(band)
            octave += 1
        return bands

    def _tiles(self, band: int) -> list[Tile]:
        one = self.bands[band]
        side = _TILE_WINDOWS * one.largest
        width, height = self.size(one.octave)
        columns = _cuts(self.columns, max(1, round(width / side)))
        rows = _cuts(self.rows, max(1, round(height / side)))
        return [Tile(band, (left, top, right, bottom)) for top, bottom in rows for left, right in columns]


def _cuts(cells: int, parts: int) -> list[tuple[int, int]]:
    return [(cells * part // parts, cells * (part + 1) // parts) for part in range(parts)]
