"""A frame at half its size, a quarter, and so on: each made when it is first asked for."""

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


class ImagePyramid:
    """The frame halved 0, 1, 2... times; odd pixels at the right and lower edge are left out."""

    def __init__(self, luma: Luma) -> None:
        """`luma`: uint8 (height, width)."""
        self._halved = [luma]

    def at(self, octave: int) -> Luma:
        """Return the frame halved so often, uint8 (height >> octave, width >> octave)."""
        while len(self._halved) <= octave:
            self._halved.append(halved(self._halved[-1]))
        return self._halved[octave]
