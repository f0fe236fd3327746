"""Detects what changed at each place since it was last searched, on a picture of a few thousand cells."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box
from edge.vision.detection.grid import CELL_PX, Rectangle, SearchGrid
from edge.vision.pyramid import ImagePyramid

_MIN_DIFFERENCE: Final = 6
"""Grey levels by which a cell, the mean of at least 36 pixels, must differ. Noise of 15 levels per pixel
changes it by 3.5, compression by less; a face that turns changes its cells by tens."""
_MIN_CHANGED_SHARE: Final = 0.5
"""Share of the cells in the middle of a window that must have changed before it is searched again: a new
face changes most of them, a leaf or a flickering pixel does not."""
_MIDDLE: Final = 0.75
"""Side of the middle of a window, in sides of the window. Of a few pairs of this and `_MIN_CHANGED_SHARE` this one
searched least (15 % less than half of the side and a third of the cells) at the same recall on the footage."""
_TRACKED_MARGIN: Final = 0.2
"""Margin around a tracked face in which change is ignored, in sides of the face: hair and shoulders move
with it. The refresh of the schedule searches what is left out."""
_WINDOW_MARGIN: Final = 0.25
"""Additional margin for the centres of windows, in sides of the smallest window: the tracked face would hide
half of a face there. The refresh of the schedule searches what is left out."""

_MIN_TEXTURE: Final = 8
"""Difference between the brightest and the darkest of a cell and its neighbours from which it has a texture."""
_MIN_MOVEMENT: Final = 3
"""Difference of a cell to the frame before from which it moved; above the noise of a camera (`_MIN_DIFFERENCE`)."""
_MOVING_SHARE: Final = 0.4
"""Share of the textured cells that must have moved. On the footage, before fixed cameras with people who walk up, nine
frames of ten have at most 0.37; with a pan and zoom over it, half of the frames have 0.5 to 0.8."""
_MIN_MOVING_SHARE: Final = 0.02
"""Share of all cells below which the picture as a whole does not move. Most frames of a quiet scene end there, before
texture is computed."""
_MOVING_FRAMES: Final = 4
"""Frames in which they must, beyond those in which they did not: when a light is switched on, the frame is searched as
usual."""
_MAX_MOVING_FRAMES: Final = 12
"""Limit of that count, which sinks in each frame without movement: a camera that is waved stands still for moments."""
_NEIGHBOURHOOD: Final = np.ones((3, 3), dtype=np.uint8)


class ChangeMap:
    """Compares each frame with the picture at the last search of each place, for each band.

    It does not compare with the frame before, so that a slow change adds up.
    """

    def __init__(self, grid: SearchGrid) -> None:
        self._grid = grid
        shape = (len(grid.bands), grid.rows, grid.columns)
        self._searched = np.zeros(shape, dtype=np.uint8)
        self._repeated = np.empty(shape, dtype=np.uint8)
        self._changed = np.empty(shape, dtype=np.uint8)
        # Views of the same memory as one picture: OpenCV then processes all bands in one call.
        flat = (shape[0] * shape[1], shape[2])
        self._flat_searched, self._flat_repeated, self._flat_changed = (
            array.reshape(flat) for array in (self._searched, self._repeated, self._changed)
        )
        self._now = np.zeros(shape[1:], dtype=np.uint8)
        self._before = np.zeros(shape[1:], dtype=np.uint8)
        self._moving_frames = 0
        self._compares = True
        self._smallest_px = [band.smallest << band.octave for band in grid.bands]
        self._kernels = [self._kernel(band) for band in range(len(grid.bands))]

    def update(self, pyramid: ImagePyramid) -> None:
        """Set the current frame."""
        rows, columns = self._now.shape
        self._now, self._before = self._before, self._now
        # In two steps: halving is many times faster than averaging over six by six pixels at once.
        side = CELL_PX // 2
        used = pyramid.at_octave(self._grid.first_octave + 1)[: rows * side, : columns * side]
        cv2.resize(used, (columns, rows), dst=self._now, interpolation=cv2.INTER_AREA)
        # In every second frame, because most frames show no movement; it counts for both.
        self._compares = not self._compares
        if self._compares:
            step = 2 if self._moves() else -2
            self._moving_frames = min(_MAX_MOVING_FRAMES, max(0, self._moving_frames + step))

    @property
    def moving(self) -> bool:
        """Whether the whole picture moves, as before a camera that is carried or turned, or the light flickers."""
        return self._moving_frames >= _MOVING_FRAMES

    def _moves(self) -> bool:
        """Return whether most places that have a texture changed since the last frame: others show no movement."""
        difference = cv2.absdiff(self._now, self._before)
        changed = cv2.threshold(difference, _MIN_MOVEMENT, 1, cv2.THRESH_BINARY)[1]
        if cv2.countNonZero(changed) < _MIN_MOVING_SHARE * changed.size:
            return False
        texture = cv2.morphologyEx(self._now, cv2.MORPH_GRADIENT, _NEIGHBOURHOOD)
        textured = cv2.threshold(texture, _MIN_TEXTURE, 1, cv2.THRESH_BINARY)[1]
        both = cv2.countNonZero(cv2.bitwise_and(changed, textured))
        return both > _MOVING_SHARE * max(1, cv2.countNonZero(textured))

    def mark_searched(self, band: int, cells: Rectangle) -> None:
        """Record that the windows of a band with centres in `cells` were searched in the current frame."""
        left, top, right, bottom = cells
        self._searched[band, top:bottom, left:right] = self._now[top:bottom, left:right]

    def mark_all_searched(self, bands: Sequence[int] | None = None) -> None:
        """Record that the whole current frame was searched in these bands, by default in all."""
        self._searched[slice(None) if bands is None else list(bands)] = self._now

    def changed(self, tracked: Sequence[Box]) -> list[NDArray[np.uint8] | None]:
        """Return for each band the places that changed since their last search.

        `tracked`: boxes of tracked faces, pixels of the frame; windows with their centre in or near one of
        them do not count. Each mask is uint8 (rows, columns), not 0 at the centres of changed windows; None
        for a band without any. A mask is valid until the next call.
        """
        self._repeated[:] = self._now
        cv2.absdiff(self._flat_searched, self._flat_repeated, dst=self._flat_changed)
        cv2.threshold(self._flat_changed, _MIN_DIFFERENCE, 1, cv2.THRESH_BINARY, dst=self._flat_changed)
        # First the movement of the tracked faces, for all bands at once: mostly nothing else moves.
        for box in tracked:
            left, top, right, bottom = self.cells_of(box, _TRACKED_MARGIN * box.width)
            self._changed[:, top:bottom, left:right] = 0
        return [
            self._changed_windows(band, tracked) if cv2.countNonZero(changed) >= self._kernels[band][1] else None
            for band, changed in enumerate(self._changed)
        ]

    def _changed_windows(self, band: int, tracked: Sequence[Box]) -> NDArray[np.uint8] | None:
        """Turn the changed cells of a band into the centres of changed windows, in place."""
        changed = self._changed[band]
        side, min_changed = self._kernels[band]
        if side > 1:
            # Mostly few cells have changed, in one place: only windows within half a side of them can count.
            x, y, width, height = cv2.boundingRect(changed)
            reach = side // 2
            near = changed[max(0, y - reach) : y + height + reach, max(0, x - reach) : x + width + reach]
            sums = cv2.boxFilter(near, cv2.CV_8U, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
            cv2.threshold(sums, min_changed - 1, 1, cv2.THRESH_BINARY, dst=near)
        for box in tracked:
            left, top, right, bottom = self.cells_of(
                box, _WINDOW_MARGIN * self._smallest_px[band] + _TRACKED_MARGIN * box.width
            )
            changed[top:bottom, left:right] = 0
        return changed if cv2.countNonZero(changed) else None

    def cells_of(self, box: Box, margin: float = 0.0) -> Rectangle:
        """Return the cells that a box of the frame touches, at least one; `margin`: pixels added on every side."""
        side, columns, rows = self._grid.cell_px, self._grid.columns, self._grid.rows
        left = min(max(0, int(box.x - margin) // side), columns - 1)
        top = min(max(0, int(box.y - margin) // side), rows - 1)
        right = min(max(left, int(box.x + box.width + margin) // side) + 1, columns)
        bottom = min(max(top, int(box.y + box.height + margin) // side) + 1, rows)
        return left, top, right, bottom

    def patch(self, box: Box) -> NDArray[np.uint8]:
        """Return a copy of the cells of a box in the current frame, uint8 (rows, columns)."""
        left, top, right, bottom = self.cells_of(box)
        return self._now[top:bottom, left:right].copy()

    def differs(self, box: Box, patch: NDArray[np.uint8]) -> bool:
        """Return whether a box has changed since `patch` was copied."""
        changed = np.asarray(cv2.absdiff(self.patch(box), patch)) > _MIN_DIFFERENCE
        return bool(changed.mean() >= _MIN_CHANGED_SHARE)

    def _kernel(self, band: int) -> tuple[int, int]:
        """Return the side of the square around a window's centre, cells, and how many of its cells must change."""
        scale_band = self._grid.bands[band]
        cells = scale_band.smallest * 2 ** (scale_band.octave - self._grid.first_octave) / CELL_PX
        side = min(15, max(1, int(cells * _MIDDLE)) | 1)  # odd; 15 * 15 still fits into eight bits
        return side, max(1, round(_MIN_CHANGED_SHARE * side * side))
