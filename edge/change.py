"""What changed in the picture since a place was last searched, on a picture of a few thousand cells."""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.layout import CELL_PX, Layout, Rectangle
from edge.records import Box, Luma

_STEP: Final = 6
"""Grey levels by which a cell, the mean of at least 36 pixels, must differ: noise of 15 levels a pixel moves
it by 3.5, compression less; a face that turns moves its cells by tens."""
_SHARE: Final = 0.5
"""Share of the cells in the middle of a window that must have changed before it is searched again: a
face that is new there changes most of them, a leaf or a flickering pixel does not."""
_MIDDLE: Final = 0.75
_HEAD: Final = 0.2
"""Of a followed face's side: so far around its box hair and shoulders move with it,"""
_OWN: Final = 0.25
"""and of a window's side: a face there would be half hidden. What is left out is searched by the refresh."""


class Changes:
    """Compares each frame with what every place looked like when it was last searched, band by band.

    Not with the frame before: a slow change adds up until it shows.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        shape = (len(layout.bands), layout.rows, layout.columns)
        self._searched = np.zeros(shape, dtype=np.uint8)
        self._repeated = np.empty(shape, dtype=np.uint8)
        self._now = np.zeros(shape[1:], dtype=np.uint8)
        self._sides_px = [band.smallest << band.octave for band in layout.bands]
        self._kernels = [self._kernel(number) for number in range(len(layout.bands))]

    def look(self, finest: Luma) -> None:
        """Take a frame: uint8, the picture of the layout's first octave."""
        rows, columns = self._now.shape
        used = finest[: rows * CELL_PX, : columns * CELL_PX]
        cv2.resize(used, (columns, rows), dst=self._now, interpolation=cv2.INTER_AREA)

    def searched(self, band: int, cells: Rectangle) -> None:
        """Note that the windows of a band with centres in these cells were searched in this frame."""
        left, top, right, bottom = cells
        self._searched[band, top:bottom, left:right] = self._now[top:bottom, left:right]

    def all_searched(self) -> None:
        """Note that everything was searched in this frame."""
        self._searched[:] = self._now

    def changed(self, covered: Iterable[Box]) -> NDArray[np.uint8] | None:
        """Tell where windows may show something new: uint8 (bands, rows, columns), None where nowhere.

        Windows with their centre in or near one of the `covered` boxes, pixels of the frame, can wait.
        """
        bands, rows, columns = self._searched.shape
        self._repeated[:] = self._now
        flat = (bands * rows, columns)
        difference = cv2.absdiff(self._searched.reshape(flat), self._repeated.reshape(flat))
        _, moved = cv2.threshold(difference, _STEP, 1, cv2.THRESH_BINARY)
        if not cv2.countNonZero(moved):
            return None
        by_band = np.asarray(moved, dtype=np.uint8).reshape(bands, rows, columns)
        for number, (side, enough) in enumerate(self._kernels):
            if side > 1:
                mask = by_band[number]
                count = cv2.boxFilter(mask, cv2.CV_8U, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
                cv2.threshold(count, enough - 1, 1, cv2.THRESH_BINARY, dst=mask)
        for box in covered:
            for number, own in enumerate(self._sides_px):
                left, top, right, bottom = self.cells_of(_widened(box, _OWN * own + _HEAD * box.width))
                by_band[number, top:bottom, left:right] = 0
        return by_band

    def cells_of(self, box: Box) -> Rectangle:
        """Return the cells that a box of the frame touches; at least one."""
        side, layout = self._layout.cell_px, self._layout
        left = min(max(0, int(box.x // side)), layout.columns - 1)
        top = min(max(0, int(box.y // side)), layout.rows - 1)
        right = min(max(left + 1, int(-(-(box.x + box.width) // side))), layout.columns)
        bottom = min(max(top + 1, int(-(-(box.y + box.height) // side))), layout.rows)
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


def _widened(box: Box, margin: float) -> Box:
    return Box(box.x - margin, box.y - margin, box.width + 2 * margin, box.height + 2 * margin)
