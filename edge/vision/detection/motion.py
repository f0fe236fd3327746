"""What changed in the picture since a place was last searched, on a picture of a few thousand cells."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box
from edge.vision.detection.grid import CELL_PX, Rectangle, SearchGrid
from edge.vision.pyramid import ImagePyramid

_STEP: Final = 6
"""Grey levels by which a cell, the mean of at least 36 pixels, must differ: noise of 15 levels a pixel moves
it by 3.5, compression less; a face that turns moves its cells by tens."""
_SHARE: Final = 0.5
"""Share of the cells in the middle of a window that must have changed before it is searched again: a
face that is new there changes most of them, a leaf or a flickering pixel does not."""
_MIDDLE: Final = 0.75
"""Side of that middle, in sides of the window. Of a few pairs of the two, this searched least (15 % less than half
of the side and a third of the cells) at the same recall on the footage."""
_HEAD: Final = 0.2
"""Of a followed face's side: so far around its box hair and shoulders move with it,"""
_OWN: Final = 0.25
"""and of a window's side: a face there would be half hidden. What is left out is searched by the refresh."""


class ChangeMap:
    """Compares each frame with what every place looked like when it was last searched, band by band.

    Not with the frame before: a slow change adds up until it shows.
    """

    def __init__(self, layout: SearchGrid) -> None:
        self._layout = layout
        shape = (len(layout.bands), layout.rows, layout.columns)
        self._searched = np.zeros(shape, dtype=np.uint8)
        self._repeated = np.empty(shape, dtype=np.uint8)
        self._moved = np.empty(shape, dtype=np.uint8)
        # The same memory as one picture, for all bands at once.
        flat = (shape[0] * shape[1], shape[2])
        self._all_searched, self._all_repeated, self._all_moved = (
            one.reshape(flat) for one in (self._searched, self._repeated, self._moved)
        )
        self._now = np.zeros(shape[1:], dtype=np.uint8)
        self._sides_px = [band.smallest << band.octave for band in layout.bands]
        self._kernels = [self._kernel(number) for number in range(len(layout.bands))]

    def look(self, pictures: ImagePyramid) -> None:
        """Take a frame."""
        rows, columns = self._now.shape
        # In two steps: halving is many times quicker than averaging over six by six pixels at once.
        side = CELL_PX // 2
        used = pictures.at(self._layout.first_octave + 1)[: rows * side, : columns * side]
        cv2.resize(used, (columns, rows), dst=self._now, interpolation=cv2.INTER_AREA)

    def searched(self, band: int, cells: Rectangle) -> None:
        """Note that the windows of a band with centres in these cells were searched in this frame."""
        left, top, right, bottom = cells
        self._searched[band, top:bottom, left:right] = self._now[top:bottom, left:right]

    def all_searched(self) -> None:
        """Note that everything was searched in this frame."""
        self._searched[:] = self._now

    def changed(self, covered: Sequence[Box]) -> list[NDArray[np.uint8] | None]:
        """Tell for each band where its windows may show something new.

        uint8 (rows, columns), not 0 at the centres of such windows; None for a band that has none. Windows
        with their centre in or near one of the `covered` boxes, pixels of the frame, can wait.
        """
        self._repeated[:] = self._now
        cv2.absdiff(self._all_searched, self._all_repeated, dst=self._all_moved)
        cv2.threshold(self._all_moved, _STEP, 1, cv2.THRESH_BINARY, dst=self._all_moved)
        # First where what is followed moves, at once for all bands: mostly nothing else does.
        for box in covered:
            left, top, right, bottom = self.cells_of(box, _HEAD * box.width)
            self._moved[:, top:bottom, left:right] = 0
        return [
            self._new_in(number, covered) if cv2.countNonZero(moved) >= self._kernels[number][1] else None
            for number, moved in enumerate(self._moved)
        ]

    def _new_in(self, number: int, covered: Sequence[Box]) -> NDArray[np.uint8] | None:
        moved = self._moved[number]
        side, enough = self._kernels[number]
        if side > 1:
            # Mostly little has moved, in one place: nothing changes further from it than half a square.
            x, y, width, height = cv2.boundingRect(moved)
            reach = side // 2
            near = moved[max(0, y - reach) : y + height + reach, max(0, x - reach) : x + width + reach]
            sums = cv2.boxFilter(near, cv2.CV_8U, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
            cv2.threshold(sums, enough - 1, 1, cv2.THRESH_BINARY, dst=near)
        for box in covered:
            left, top, right, bottom = self.cells_of(box, _OWN * self._sides_px[number] + _HEAD * box.width)
            moved[top:bottom, left:right] = 0
        return moved if cv2.countNonZero(moved) else None

    def cells_of(self, box: Box, margin: float = 0.0) -> Rectangle:
        """Return the cells that a box of the frame, widened by so many pixels on every side, touches; at least one."""
        side, columns, rows = self._layout.cell_px, self._layout.columns, self._layout.rows
        left = min(max(0, int(box.x - margin) // side), columns - 1)
        top = min(max(0, int(box.y - margin) // side), rows - 1)
        right = min(max(left, int(box.x + box.width + margin) // side) + 1, columns)
        bottom = min(max(top, int(box.y + box.height + margin) // side) + 1, rows)
        return left, top, right, bottom

    def patch(self, box: Box) -> NDArray[np.uint8]:
        """Return what a box shows now, uint8 (rows, columns) of its cells, to be compared later."""
        left, top, right, bottom = self.cells_of(box)
        return self._now[top:bottom, left:right].copy()

    def differs(self, box: Box, patch: NDArray[np.uint8]) -> bool:
        """Tell whether a box has changed since `patch` was taken of it."""
        moved = np.asarray(cv2.absdiff(self.patch(box), patch)) > _STEP
        return bool(moved.mean() >= _SHARE)

    def _kernel(self, number: int) -> tuple[int, int]:
        """Side of the square around a centre that is looked at, cells, and how many of it must have changed."""
        band = self._layout.bands[number]
        cells = band.smallest * 2 ** (band.octave - self._layout.first_octave) / CELL_PX
        side = min(15, max(1, int(cells * _MIDDLE)) | 1)  # odd; 15 * 15 still fits into eight bits
        return side, max(1, round(_SHARE * side * side))
