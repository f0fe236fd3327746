"""Finds faces with YuNet, a network of 0.2 MB, through OpenCV's FaceDetectorYN.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023).
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import DetectorError
from edge.types import Box
from edge.vision.detection.finders.face_finder import FoundFace, as_bgr, best_first, reduced
from edge.vision.detection.finders.landmarks import Landmarks
from edge.vision.detection.finders.square import YUNET_FRAMING, face_square
from edge.vision.detection.finders.yunet_file import check_yunet_file, not_yunet
from edge.vision.turned import TurnedWindow, normalised_roll

_MIN_OPENCV: Final = (4, 8)
"""Older versions feed the network with pictures whose sides are no multiples of 32, on which it fails."""
_MIN_SCORE: Final = 0.5
"""On the footage in colour, reduced to 160 pixels of width: 112 of 112 tilted faces, 123 of 123 of walking-and-pause,
no false box in classroom, people-detection and store-aisle; with 0.6 112 and 122, with 0.7 102 and 121. In grey, 480
pixels wide, 110 and 123; with 0.6 101 and 123."""
_SMALLEST_PX: Final = {True: 12.0, False: 24.0}
"""Side to which the smallest face is reduced, in colour and in grey, pixels. In colour faces of 10 to 24 pixels were
found as above; in grey only 28 of 112 tilted ones were, and 110 at 58 to 72 pixels."""
_ROLL_GAIN: Final = 2.7
"""Degrees of roll for each degree that the landmarks show: they are drawn towards those of an upright face. Upright
faces of the footage that were turned by 10 and 20 degrees show 3 to 4 and 4 to 6; beyond 30 they show less again."""
_LARGEST_ROLL_DEGREES: Final = 25.0
"""Roll that one look can show."""
_PROBE_DEGREES: Final = 30.0
"""Further rolls that are tried: the score of a look is 0.9 within 20 degrees of upright, and 0.5 at 40."""
_UPRIGHT_DEGREES: Final = 6.0
_SURE_SCORE: Final = 0.88
"""A face with at most this roll and at least this score needs no further look."""
_LOOK_PX: Final = (96, 44.0)
"""Side of the crop of a further look at one face, and side of the face in it, pixels."""
_TILE_PX: Final = 168.0
"""Side of the network's input in a stream, pixels."""
_STRIDE: Final = 32
_MIN_SIDE_PX: Final = 64
"""Smallest side of the network's input: where one is 32, OpenCV 4.8 to 4.14 return boxes at random places."""
_NMS_IOU: Final = 0.3
_MOST_FACES: Final = 200
_SCORE_COLUMN: Final = 14
_TRIAL_PX: Final = 64


class YuNetFinder:
    """Finds faces with YuNet. Not thread-safe."""

    name = "yunet"
    wants_colour = True

    def __init__(self, path: Path, looks: int = 4) -> None:
        """Load the network and run it once. Raises DetectorError where the file or OpenCV cannot be used.

        `looks`: how often a face is looked at, at most, to find its roll: the first time in the whole picture, then in
        a crop that is turned upright by the roll found so far.
        """
        self._looks = looks
        if not hasattr(cv2, "FaceDetectorYN") or _version(cv2.__version__) < _MIN_OPENCV:
            wanted = ".".join(str(part) for part in _MIN_OPENCV)
            raise DetectorError(
                f'detector.kind is "yunet", which needs OpenCV {wanted} or newer, but this is {cv2.__version__}: '
                'use "mtcnn" or "haar"'
            )
        self.path = path
        """File of the network."""
        self.sha256 = check_yunet_file(path)
        """SHA-256 sum of the file, in hexadecimal digits."""
        self._size = (_TRIAL_PX, _TRIAL_PX)
        try:
            self._detector = cv2.FaceDetectorYN.create(str(path), "", self._size, _MIN_SCORE, _NMS_IOU, _MOST_FACES)
        except (cv2.error, SystemError):
            raise not_yunet(path, "is not an ONNX network") from None
        try:
            self._run(np.zeros((_TRIAL_PX, _TRIAL_PX, 3), dtype=np.uint8))
        except (cv2.error, SystemError):
            raise not_yunet(path, "is an ONNX network, but not YuNet of 2023 or later") from None

    def tile_faces(self, *, colour: bool) -> float:
        """Return the side of a tile; see `FaceFinder.tile_faces`. A look takes 2 ms at most on one x86-64 core."""
        return _TILE_PX / _SMALLEST_PX[colour]

    def find(self, picture: NDArray[np.uint8], smallest_px: float) -> list[FoundFace]:
        """Return the faces of a picture; see `FaceFinder.find`."""
        bgr = as_bgr(picture)
        factor = min(1.0, _SMALLEST_PX[bgr is picture] / smallest_px)
        faces = [_face(row, 1 / factor) for row in self._run(reduced(bgr, factor))]
        large = [face for face in faces if face.box.width >= smallest_px]
        return best_first([self._with_roll(picture, face) for face in large])

    def _with_roll(self, picture: NDArray[np.uint8], face: FoundFace) -> FoundFace:
        """Look at a face again, turned upright, where it may be tilted; returns it with the roll of its best look."""
        if self._looks == 1 or (abs(face.roll_degrees) <= _UPRIGHT_DEGREES and face.score >= _SURE_SCORE):
            return face
        best, turned_by = face, 0.0
        rolls = [face.roll_degrees + offset for offset in (0.0, -_PROBE_DEGREES, _PROBE_DEGREES)]
        for roll in rolls[: self._looks - 1]:
            seen = self._look_at(picture, face.box, roll)
            if seen is not None and (turned_by == 0.0 or seen.score > best.score):
                best, turned_by = seen, roll
            if best.score >= _SURE_SCORE and abs(best.roll_degrees) <= _UPRIGHT_DEGREES:
                break
        roll = normalised_roll(turned_by + best.roll_degrees)
        return FoundFace(face.box, max(face.score, best.score), roll, best.turn)

    def _look_at(self, picture: NDArray[np.uint8], box: Box, roll_degrees: float) -> FoundFace | None:
        """Return what a crop shows in its middle that is turned upright by a roll; its roll is what remains."""
        side, face_px = _LOOK_PX
        window = TurnedWindow(box.centre, face_px / box.width, side, side, roll_degrees)
        middle = (side / 2, side / 2)
        faces = best_first([_face(row, 1.0) for row in self._run(window.render(as_bgr(picture)))])
        return next((face for face in faces if face.box.contains(middle)), None)

    def _run(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network; returns a row for each face, float32 (faces, 15): box, five points, score."""
        height, width = bgr.shape[:2]
        padded = [max(_MIN_SIDE_PX, -(-side // _STRIDE) * _STRIDE) for side in (height, width)]
        if padded != [height, width]:
            # Black, as in training.
            borders = (0, padded[0] - height, 0, padded[1] - width)
            bgr = np.asarray(cv2.copyMakeBorder(bgr, *borders, cv2.BORDER_CONSTANT), dtype=np.uint8)
        if self._size != (padded[1], padded[0]):
            self._size = (padded[1], padded[0])
            self._detector.setInputSize(self._size)
        found: Any = self._detector.detect(bgr)[1]
        # None where there is no face.
        rows = np.asarray([] if found is None else found, dtype=np.float32).reshape(-1, _SCORE_COLUMN + 1)
        # What a broken network would return must not become a box.
        usable = np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 1).all(axis=1)
        return np.asarray(rows[usable], dtype=np.float32)


def _face(row: NDArray[np.float32], factor: float) -> FoundFace:
    """Make a face of a row; `factor`: pixels of the picture for each pixel of the network's input."""
    values = [float(value) * factor for value in row]
    # The face's right eye comes first, which is the left one in the picture.
    points = Landmarks(*zip(values[4:14:2], values[5:14:2], strict=True))
    roll = points.roll_degrees * _ROLL_GAIN
    roll = max(-_LARGEST_ROLL_DEGREES, min(_LARGEST_ROLL_DEGREES, roll))
    box = face_square(Box(*values[:4]), roll, YUNET_FRAMING)
    return FoundFace(box, min(1.0, float(row[_SCORE_COLUMN])), roll, points.turn)


def _version(text: str) -> tuple[int, ...]:
    """Return major and minor version: "4.11.0-pre" is (4, 11)."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
