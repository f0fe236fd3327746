"""Opens and reads streams with OpenCV's FFmpeg, the same on every version of OpenCV."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.geometry import Geometry, video_geometry


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
