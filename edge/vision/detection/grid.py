"""Divides the search of a frame into jobs: scale bands, tiles of places, and the cost of each. Pure arithmetic."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

CELL_PX: Final = 6
"""Side of a cell, the unit of change detection, in pixels of the finest picture that is searched: a quarter
of the cascade's window, so that the smallest face covers four by four cells."""
_TILE_WINDOWS: Final = 4
"""Side of a tile in windows of its band: larger tiles overlap less, smaller ones fit a change more closely."""
_OVERLAP: Final = 0.65
"""Margin around the centres of a search, in sides of its largest window: half a side, and some more so that
a face on the border has its neighbouring windows."""
_FIXED_COST: Final = 4000
"""Cost of the smallest search, in the unit of `SearchGrid.cost`."""

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are exclusive."""


@dataclass(frozen=True, slots=True)
class ScaleBand:
    """Half an octave of face sizes: `smallest` to `largest`, in pixels of the frame halved `octave` times."""

    octave: int
    smallest: int
    largest: int


@dataclass(frozen=True, slots=True)
class Tile:
    """The windows of one band whose centres are in a rectangle of cells."""

    band: int
    cells: Rectangle


@dataclass(frozen=True, slots=True)
class SearchJob:
    """The search of one band for faces with centres in `cells`.

    `region`: the part of the band's picture that the search reads, pixels. `cost`: in window positions.
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
    """Bands and tiles for frames of one size, and the cost of searching them.

    Each octave is searched on a picture in which its smallest faces are as large as the cascade's window:
    OpenCV moves the window by two pixels there. On a smaller picture it moves the window by one pixel, which
    makes four times as many positions.
    """

    def __init__(self, width: int, height: int, window: int, smallest: float, largest: float) -> None:
        """Divide a frame.

        `width`, `height`: of the frame, pixels. `smallest`, `largest`: sides of the faces, pixels of the
        frame. `window`: side of the cascade's window, pixels.
        """
        self.window = window
        self.first_octave = max(0, math.floor(math.log2(max(smallest, 1) / window)))
        self._width, self._height = width, height
        finest_width, finest_height = width >> self.first_octave, height >> self.first_octave
        self.columns, self.rows = finest_width // CELL_PX, finest_height // CELL_PX
        self.cell_px = CELL_PX << self.first_octave
        """Side of a cell in pixels of the frame."""
        self.bands = tuple(self._bands(smallest, largest)) if self.columns and self.rows else ()
        self.tiles = tuple(tile for band in range(len(self.bands)) for tile in self._tiles(band))

    def divided(self, prompt_px: float) -> tuple[list[int], list[int]]:
        """Divide the bands: those with faces from `prompt_px` on, and those with smaller ones only.

        `prompt_px`: in pixels of the frame. Where no band has such faces, all count as if they had.
        """
        bands = range(len(self.bands))
        prompt = [band for band in bands if self.bands[band].largest + 1 << self.bands[band].octave > prompt_px]
        return (prompt, [band for band in bands if band not in prompt]) if prompt else (list(bands), [])

    def size(self, octave: int) -> tuple[int, int]:
        """Return width and height of the frame halved `octave` times."""
        return self._width >> octave, self._height >> octave

    def job(self, band: int, cells: Rectangle, step: float) -> SearchJob:
        """Return the job that finds the faces of a band with centres in `cells`; `step`: ratio between sizes."""
        scale_band = self.bands[band]
        width, height = self.size(scale_band.octave)
        cell = CELL_PX * 2.0 ** (self.first_octave - scale_band.octave)
        margin = _OVERLAP * scale_band.largest
        left, top, right, bottom = cells
        # The last pixels of the frame, too few for a cell, belong to the last cell.
        region = (
            max(0, math.floor(left * cell - margin)),
            max(0, math.floor(top * cell - margin)),
            width if right == self.columns else min(width, math.ceil(right * cell + margin)),
            height if bottom == self.rows else min(height, math.ceil(bottom * cell + margin)),
        )
        return SearchJob(band, cells, region, self.cost(band, region, step))

    def cost(self, band: int, region: Rectangle, step: float) -> float:
        """Estimate the cost of a search: pixels of the region, summed over the reductions that are searched.

        0 where no size of the band is a step of the search.
        """
        scale_band = self.bands[band]
        sizes = window_sizes(self.window, step, scale_band.smallest, scale_band.largest)
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
        scale_band = self.bands[band]
        side = _TILE_WINDOWS * scale_band.largest
        width, height = self.size(scale_band.octave)
        columns = _divided(self.columns, max(1, round(width / side)))
        rows = _divided(self.rows, max(1, round(height / side)))
        return [Tile(band, (left, top, right, bottom)) for top, bottom in rows for left, right in columns]


def _divided(cells: int, parts: int) -> list[tuple[int, int]]:
    return [(cells * part // parts, cells * (part + 1) // parts) for part in range(parts)]
