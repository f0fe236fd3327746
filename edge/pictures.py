"""A frame at half its size, a quarter, and so on: each made when it is first asked for."""

import cv2
import numpy as np

from edge.records import Luma


class Pictures:
    """The frame halved 0, 1, 2... times; odd pixels at the right and lower edge are left out."""

    def __init__(self, luma: Luma) -> None:
        """`luma`: uint8 (height, width)."""
        self._halved = [luma]

    def at(self, octave: int) -> Luma:
        """Return the frame halved so often, uint8 (height >> octave, width >> octave)."""
        while len(self._halved) <= octave:
            last = self._halved[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            even = last[: 2 * height, : 2 * width]
            half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            self._halved.append(np.asarray(half, dtype=np.uint8))
        return self._halved[octave]
