"""Aligns faces by their eyes, and averages them without blurring their features."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import FACE_SIDE_PX
from edge.vision.detection.cascades import cascade_path, load_cascade

Faces = NDArray[np.float32]
"""float32 (n, side, side); brightness and contrast normalised by `normalise`."""
Face = NDArray[np.float32]

WORK_SIDE_PX: Final = 96
"""Side of aligned faces: twice FER2013's, so that a shift of half a pixel is kept."""
_EYES: Final = np.array([[14.3, 18.5], [32.7, 18.5]])
"""Mean position (x, y) of the two eyes in FER2013's 48x48 images, as the eye cascades detect them."""
_EYE_SEARCH_PX: Final = 240
_EYE_SIZE_PX: Final = (40, 95)
_EYE_ROWS: Final = (40, 150)
_EYE_DISTANCE: Final = (13.0, 28.0)
_MAX_TILT: Final = 0.35
_FLOW_LEVELS: Final = 3
_FLOW_WINDOW_PX: Final = 17
_FLOW_SMOOTHING_PX: Final = 2.5
"""Standard deviation of the flow's blur: features may move by a few pixels, skin must not ripple."""
_MAX_FLOW_PX: Final = 5.0
_FLOW_CONTRAST: Final = 48.0


def face_mask(side: int) -> NDArray[np.bool_]:
    """Return a mask (side, side) of the ellipse around brows, eyes, nose and mouth, without hair and background."""
    rows, columns = np.mgrid[0:side, 0:side]
    across, down = (columns - (side - 1) / 2) / (0.36 * side), (rows - 0.52 * side) / (0.44 * side)
    return np.asarray(np.hypot(across, down) <= 1)


def normalise(face: NDArray[Any]) -> Face:
    """Return the face with mean 0 and standard deviation 1 inside the ellipse."""
    inside = face_mask(face.shape[0])
    values = face.astype(np.float32)
    return np.asarray((values - values[inside].mean()) / max(float(values[inside].std()), 1e-3), dtype=np.float32)


class EyeFinder:
    """Detects the two eyes of a face with OpenCV's two eye cascades."""

    def __init__(self) -> None:
        """Load OpenCV's cascades. Raises CascadeError where they are missing."""
        names = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")
        self._cascades = [load_cascade(cascade_path("", name), name) for name in names]

    def find(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return [[x, y] left, [x, y] right] in pixels of the uint8 (48, 48) image.

        None where there is not one eye on each side at a plausible distance and tilt.
        """
        side = _EYE_SEARCH_PX
        large = cv2.equalizeHist(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC))
        upper = large[_EYE_ROWS[0] : _EYE_ROWS[1]]
        sides: tuple[list[tuple[int, float, float]], list[tuple[int, float, float]]] = ([], [])
        smallest, largest = ((size, size) for size in _EYE_SIZE_PX)
        for cascade in self._cascades:
            boxes, counts = cascade.detectMultiScale2(upper, 1.05, 3, minSize=smallest, maxSize=largest)
            for (x, y, width, height), count in zip(boxes, counts, strict=True):
                centre = x + width / 2
                sides[int(centre >= side / 2)].append((int(count), centre, y + height / 2 + _EYE_ROWS[0]))
        if not sides[0] or not sides[1]:
            return None
        eyes = np.array([max(candidates)[1:] for candidates in sides]) * (image.shape[0] / side)
        across, down = eyes[1] - eyes[0]
        level = abs(down) <= _MAX_TILT * across
        return eyes if level and _EYE_DISTANCE[0] < across < _EYE_DISTANCE[1] else None


def align_by_eyes(image: NDArray[np.uint8], eyes: NDArray[np.float64]) -> Face:
    """Turn, scale and shift a (48, 48) face so that its eyes are at FER2013's mean position; normalised."""
    factor = WORK_SIDE_PX / FACE_SIDE_PX
    actual, target = eyes[1] - eyes[0], _EYES[1] - _EYES[0]
    scale = float(np.hypot(*target) / np.hypot(*actual))
    angle = float(np.arctan2(target[1], target[0]) - np.arctan2(actual[1], actual[0]))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, (_EYES[0] - turn @ eyes[0]) * factor])
    side = (WORK_SIDE_PX, WORK_SIDE_PX)
    large = cv2.resize(image.astype(np.float32), side, interpolation=cv2.INTER_CUBIC)
    moved = cv2.warpAffine(large, matrix, side, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return normalise(np.asarray(moved))


def similarity(faces: Faces) -> NDArray[np.float32]:
    """Return the correlations (n, n) inside the ellipse of all pairs; the larger of straight and mirrored."""
    inside = face_mask(faces.shape[1])
    straight, mirrored = (_unit(faces[:, :, ::step][:, inside]) for step in (1, -1))
    return np.asarray(np.maximum(straight @ straight.T, straight @ mirrored.T), dtype=np.float32)


def _unit(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True), dtype=np.float32)


def elastic_mean(faces: Faces, rounds: int = 3) -> Face:
    """Return the mean of faces whose features were first warped smoothly to their mean position.

    The warp is dense optical flow (Farneback 2003) from the running mean to each face. The mean of the flows is
    subtracted, so that the result keeps the mean shape, and with it the expression.
    """
    mean = normalise(faces.mean(axis=0))
    for _ in range(rounds):
        flows = [_flow(mean, face) for face in faces]
        drift = np.mean(flows, axis=0)
        moved = [_warped(face, flow - drift) for face, flow in zip(faces, flows, strict=True)]
        mean = normalise(np.mean(moved, axis=0))
    return mean


def _flow(reference: Face, face: Face) -> NDArray[np.float32]:
    first, second = (np.clip(each * _FLOW_CONTRAST + 128, 0, 255).astype(np.uint8) for each in (reference, face))
    start = np.zeros((*first.shape, 2), dtype=np.float32)
    flow = cv2.calcOpticalFlowFarneback(first, second, start, 0.5, _FLOW_LEVELS, _FLOW_WINDOW_PX, 4, 7, 1.5, 0)
    limited = np.clip(flow, -_MAX_FLOW_PX, _MAX_FLOW_PX)
    return np.asarray(cv2.GaussianBlur(limited, (0, 0), _FLOW_SMOOTHING_PX), dtype=np.float32)


def _warped(face: Face, flow: NDArray[np.float32]) -> Face:
    rows, columns = np.mgrid[0 : face.shape[0], 0 : face.shape[1]].astype(np.float32)
    across, down = columns + flow[..., 0], rows + flow[..., 1]
    moved = cv2.remap(face, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)
