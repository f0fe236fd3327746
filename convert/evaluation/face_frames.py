"""Embeds faces in frames, in which a detector is to find them. Needs neither TensorFlow nor an interpreter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box

SAME_FACE_IOU: Final = 0.3
"""Intersection over union from which a detection is that of the embedded face."""
_FACE_PX: Final = 120
_FRAME: Final = (240, 320)
_BORDER_PX: Final = 60


def embed_in_frame(
    face: NDArray[np.uint8], rng: np.random.Generator, side: int = _FACE_PX
) -> tuple[NDArray[np.uint8], Box]:
    """Resize a square face to `side` pixels into a (240, 320) frame, surrounded by its blurred edge pixels.

    Returns the frame and the face's box in it.
    """
    interpolation = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    large = np.asarray(cv2.resize(face, (side, side), interpolation=interpolation))
    top = int(rng.integers(_BORDER_PX // 2, _FRAME[0] - side - _BORDER_PX // 2))
    left = int(rng.integers(_BORDER_PX // 2, _FRAME[1] - side - _BORDER_PX // 2))
    borders = (top, _FRAME[0] - side - top, left, _FRAME[1] - side - left)
    surround = np.asarray(cv2.copyMakeBorder(large, *borders, cv2.BORDER_REPLICATE))
    frame = np.array(cv2.GaussianBlur(surround, (0, 0), 6.0), dtype=np.uint8)
    frame[top : top + side, left : left + side] = large
    return frame, Box(left, top, side, side)


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict OpenCV to one thread while the block runs, as the daemon does.

    On a busy machine several threads wait for each other longer than one thread takes.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
