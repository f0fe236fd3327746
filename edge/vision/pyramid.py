"""Reduces pictures: an image pyramid in octaves, and the reductions that search and classification use."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Luma


def halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average two by two pixels: uint8 (height // 2, width // 2[, 3]), without an odd last column or row.

    OpenCV does this in a fraction of the time of any other ratio.
    """
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = picture[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def halved_to(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Halve a picture, uint8 (height, width[, 3]), as often as its height stays at `side` or above."""
    while picture.shape[0] >= 2 * side:
        picture = halved(picture)
    return picture


def reduced_to_width(luma: Luma, width_px: int) -> Luma:
    """Average a picture down to a width, keeping its proportions; a narrower one is returned as it is.

    `luma`: uint8 (height, width). Returns uint8 (height, width), at least one row.
    """
    height, width = luma.shape
    if width <= width_px:
        return luma
    size = (width_px, max(1, round(height * (width_px / width))))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class ImagePyramid:
    """One frame halved 0, 1, 2... times. Each octave is computed on its first use.

    Odd pixels at the right and lower edge are left out.
    """

    def __init__(self, luma: Luma) -> None:
        """`luma`: uint8 (height, width), octave 0."""
        self._octaves = [luma]

    def at_octave(self, octave: int) -> Luma:
        """Return the frame halved `octave` times, uint8 (height >> octave, width >> octave)."""
        while len(self._octaves) <= octave:
            self._octaves.append(halved(self._octaves[-1]))
        return self._octaves[octave]
