"""Opens and reads streams with OpenCV's FFmpeg, the same on every version of OpenCV."""

import threading
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.geometry import Geometry, video_geometry

_FROZEN_SECONDS: Final = 3.0
"""Time for which the lowest rows must stay the same to the last bit before the size is asked for: longer than the
distance of two key frames of most cameras, with which each row is encoded anew."""
_FIRST_PAUSE_SECONDS: Final = 60.0
_MAX_PAUSE_SECONDS: Final = 600.0
"""Between two questions for the size: each opens the stream once more, and a picture with black bars never changes."""
_LOWEST_ROWS: Final = 4


def stream_geometry(capture: cv2.VideoCapture) -> Geometry:
    """Return how the frames of an open stream become upright, and keep OpenCV from turning them itself.

    OpenCV 4.11 does not turn by default, 4.12 does.
    """
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return video_geometry(
        capture.get(cv2.CAP_PROP_ORIENTATION_META),
        capture.get(cv2.CAP_PROP_SAR_NUM),
        capture.get(cv2.CAP_PROP_SAR_DEN),
    )


def decode_next(capture: cv2.VideoCapture) -> tuple[NDArray[np.uint8], float] | None:
    """Return the next image as it is stored, uint8 (height, width, 3), and its time stamp in seconds; None at the end.

    The time stamp is no number of any use (nan, or beyond 1e15) where the stream has none.
    """
    decoded, image = capture.read()
    if not decoded or image is None:
        return None
    return np.asarray(image, np.uint8), capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def open_stream(uri: str, timeout_ms: int) -> cv2.VideoCapture:
    """Open a network stream, with a limit for opening and for each read; it may not be open afterwards."""
    return cv2.VideoCapture(
        uri,
        cv2.CAP_FFMPEG,
        [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms],
    )


def stream_size(uri: str, timeout_ms: int) -> tuple[int, int] | None:
    """Open a stream once more, and return its width and height as stored; None where it cannot be opened."""
    capture = open_stream(uri, timeout_ms)
    try:
        if not capture.isOpened():
            return None
        return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    finally:
        capture.release()


class SizeWatch:
    """Finds out that a live stream has changed its size, which OpenCV does not tell.

    From 4.13 on OpenCV scales every picture to the first size, and nothing is to be found. Before, it keeps that size:
    a picture that becomes lower leaves the lowest rows as they were, and one that becomes higher is not drawn at all,
    so that in both cases the lowest rows never change again. Where they have not for `frozen_seconds`, `ask_size` is
    called in a thread of its own; what it returns is compared with the size of the images. A picture that only becomes
    narrower or wider is not noticed.
    """

    def __init__(self, ask_size: Callable[[], tuple[int, int] | None], frozen_seconds: float = _FROZEN_SECONDS) -> None:
        self._ask_size = ask_size
        self._frozen_seconds = frozen_seconds
        self._rows: bytes | None = None
        self._same_since = 0.0
        self._asked_at: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._thread: threading.Thread | None = None
        self._found: tuple[int, int] | None = None

    def changed(self, image: NDArray[np.uint8], now: float) -> tuple[int, int] | None:
        """Take an image as stored; returns the new width and height, once they are known to differ from its own.

        `now`: monotonic seconds.
        """
        rows = image[-_LOWEST_ROWS:].tobytes()
        if rows != self._rows:
            self._rows, self._same_since = rows, now
            return None
        found, self._found = self._found, None
        if found is not None and found != image.shape[1::-1]:
            return found
        if now - self._same_since >= self._frozen_seconds and self._may_ask(now):
            self._asked_at = now
            self._thread = threading.Thread(target=self._ask, name="stream size", daemon=True)
            self._thread.start()
        return None

    def _may_ask(self, now: float) -> bool:
        if self._asked_at is None:
            return True
        if now - self._asked_at < self._pause_seconds or (self._thread is not None and self._thread.is_alive()):
            return False
        self._pause_seconds = min(2 * self._pause_seconds, _MAX_PAUSE_SECONDS)
        return True

    def _ask(self) -> None:
        self._found = self._ask_size()
