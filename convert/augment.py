"""What cameras and a Haar box do to a face, done to 48x48 training faces at random."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.dataset import FACE_SIDE_PX

Image = NDArray[np.uint8]

_MAX_ROTATION_DEG: Final = 20.0
_SCALE: Final = (0.85, 1.2)
_MAX_SHIFT: Final = 0.1
_GAMMA: Final = (0.55, 1.8)
_SMALLEST_FACE_PX: Final = 20
_JPEG_QUALITY: Final = (25, 80)
_MAX_NOISE_SIGMA: Final = 12.0
_EVEN_CHANCE: Final = 0.5


def frame_face(image: Image, side_px: int, rng: np.random.Generator) -> Image:
    """Place a (48, 48) face as a detector would: turned, scaled, shifted, mirrored; (side, side)."""
    angle = rng.normal(0.0, _MAX_ROTATION_DEG / 2)
    angle = float(np.clip(angle, -_MAX_ROTATION_DEG, _MAX_ROTATION_DEG))
    scale = rng.uniform(*_SCALE) * side_px / FACE_SIDE_PX
    centre = (FACE_SIDE_PX - 1) / 2
    matrix: NDArray[np.float64] = np.asarray(cv2.getRotationMatrix2D((centre, centre), angle, scale), dtype=np.float64)
    shift = rng.uniform(-_MAX_SHIFT, _MAX_SHIFT, 2) * side_px
    matrix[:, 2] = matrix[:, 2] + (side_px - 1) / 2 - centre + shift
    if rng.random() < _EVEN_CHANCE:
        image = image[:, ::-1]
    warped = cv2.warpAffine(
        np.ascontiguousarray(image),
        matrix,
        (side_px, side_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.uint8)


def _light(image: Image, rng: np.random.Generator) -> Image:
    """Gamma, contrast and brightness in one look-up table."""
    levels = np.linspace(0.0, 1.0, 256) ** float(np.exp(rng.uniform(*np.log(_GAMMA))))
    levels = (levels - 0.5) * rng.uniform(0.6, 1.2) + 0.5 + rng.uniform(-0.15, 0.15)
    table = np.clip(levels * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _blur(image: Image, rng: np.random.Generator) -> Image:
    """Motion along a random line, or a face that was only some 20 to 40 pixels wide."""
    side = image.shape[0]
    if rng.random() < _EVEN_CHANCE:
        small = int(rng.integers(_SMALLEST_FACE_PX, side))
        reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(reduced, (side, side)), dtype=np.uint8)
    length = int(rng.integers(3, max(4, side // 10)))
    kernel = np.zeros((length, length), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = (np.round(half + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, (1.0,))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8)


def _occlude(image: Image, rng: np.random.Generator) -> Image:
    """A hand, hair or a cup: one flat rectangle over up to a tenth of the face."""
    side = image.shape[0]
    width, height = rng.integers(side // 8, side // 3, 2)
    left, top = rng.integers(0, side - width), rng.integers(0, side - height)
    image = image.copy()
    image[top : top + height, left : left + width] = rng.integers(0, 256)
    return image


def _jpeg(image: Image, rng: np.random.Generator) -> Image:
    quality = int(rng.integers(*_JPEG_QUALITY))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _noise(image: Image, rng: np.random.Generator) -> Image:
    grain = rng.normal(0.0, rng.uniform(2.0, _MAX_NOISE_SIGMA), image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


_CORRUPTIONS: Final = ((_light, 0.7), (_blur, 0.25), (_occlude, 0.15), (_noise, 0.25), (_jpeg, 0.15))


def augment(image: Image, side_px: int, rng: np.random.Generator) -> Image:
    """Return one random view of a uint8 (48, 48) face as uint8 (side_px, side_px)."""
    view = frame_face(image, side_px, rng)
    for corrupt, probability in _CORRUPTIONS:
        if rng.random() < probability:
            view = corrupt(view, rng)
    return view


def plain(image: Image, side_px: int) -> Image:
    """Return the face resized and otherwise untouched, as evaluation uses it."""
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
