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
    face: NDArray[np.uint8], rng: np.random.Generator, side: int = _FACE_PX, *, sharp: bool = False
) -> tuple[NDArray[np.uint8], Box]:
    """Resize a square face to `side` pixels into a (240, 320) frame, surrounded by its blurred edge pixels.

    `sharp`: with the edges that a camera shows of so large a face, by a method that no training uses.
    Returns the frame and the face's box in it.
    """
    large = sharpened(face, side) if sharp else _resized(face, side)
    top = int(rng.integers(_BORDER_PX // 2, _FRAME[0] - side - _BORDER_PX // 2))
    left = int(rng.integers(_BORDER_PX // 2, _FRAME[1] - side - _BORDER_PX // 2))
    borders = (top, _FRAME[0] - side - top, left, _FRAME[1] - side - left)
    surround = np.asarray(cv2.copyMakeBorder(large, *borders, cv2.BORDER_REPLICATE))
    frame = np.array(cv2.GaussianBlur(surround, (0, 0), 6.0), dtype=np.uint8)
    frame[top : top + side, left : left + side] = large
    return frame, Box(left, top, side, side)


def _resized(face: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    interpolation = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (side, side), interpolation=interpolation), dtype=np.uint8)


def sharpened(face: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a square grey face enlarged to `side` pixels with strengthened detail, uint8 (side, side).

    The detail is what an edge-preserving filter takes away (Gastal and Oliveira 2011, `cv2.detailEnhance` with its own
    settings); training sharpens with unsharp masks only.
    """
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_LANCZOS4)
    enhanced = cv2.detailEnhance(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))
    return np.asarray(cv2.cvtColor(enhanced, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


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
