"""Converts faces to the network's input, and the network's integers to real values."""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box
from edge.vision.classification.manifest import ModelInput
from edge.vision.pyramid import halved_to
from edge.vision.turned import TurnedWindow

LEVELS: Final = 256
"""Number of values of a uint8 pixel."""


def crop(picture: NDArray[np.uint8], box: Box, margin: float, width: int, height: int) -> NDArray[np.uint8]:
    """Crop a face and resize it to `width` by `height`.

    `picture`: uint8 (h, w) or (h, w, 3). `margin`: added to the box on every side, in its longer side;
    negative cuts away. Returns uint8 (height, width[, 3]). Outside the picture the edge pixels are repeated,
    as in training, so that a face at the edge keeps its proportions.
    """
    side = max(box.width, box.height) * (1 + 2 * margin)
    centre_x, centre_y = box.centre
    if side > min(width, height):
        # Shrinking has to average: leaving pixels out would alias skin into noise.
        left, top = round(centre_x - side / 2), round(centre_y - side / 2)
        cut = _padded(picture, left, top, max(1, round(side)))
        # Halving is fast, and down to half of its size a picture can be interpolated without leaving pixels out.
        cut = halved_to(cut, max(width, height))
        return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    # Pixel centres map to pixel centres, as in cv2.resize.
    scale_x, scale_y = side / width, side / height
    matrix = np.array(
        [
            [scale_x, 0, centre_x - side / 2 + scale_x / 2 - 0.5],
            [0, scale_y, centre_y - side / 2 + scale_y / 2 - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def crop_upright(
    picture: NDArray[np.uint8], box: Box, margin: float, size: tuple[int, int], roll_degrees: float
) -> NDArray[np.uint8]:
    """Crop a face, turn it upright and resize it to `size`.

    `size`: (width, height), pixels. `roll_degrees`: as `edge.vision.turned` defines it. The rest as in `crop`.
    """
    if not roll_degrees:
        return crop(picture, box, margin, *size)
    side = max(box.width, box.height) * (1 + 2 * margin)
    long_side = max(size)
    # Only what the turned square covers is reduced, and down to half of its size it can be interpolated.
    reach = math.ceil(side * math.sqrt(0.5)) + 1
    centre_x, centre_y = box.centre
    left, top = round(centre_x) - reach, round(centre_y) - reach
    cut = _padded(picture, left, top, 2 * reach)
    reduced = halved_to(cut, math.ceil(long_side * cut.shape[0] / side))
    factor = reduced.shape[0] / cut.shape[0]
    centre = ((centre_x - left) * factor, (centre_y - top) * factor)
    window = TurnedWindow(centre, long_side / (side * factor), long_side, long_side, roll_degrees)
    upright = window.render(reduced)
    if upright.shape[:2] == (size[1], size[0]):
        return upright
    return np.asarray(cv2.resize(upright, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def face_for_network(
    picture: NDArray[np.uint8], box: Box, margin: float, spec: ModelInput, roll_degrees: float = 0.0
) -> NDArray[np.uint8]:
    """Crop a face, turn it upright and resize it to the network's input, with no more detail than `spec` states.

    Returns uint8 (spec.height, spec.width[, 3]). The rest as in `crop_upright`.
    """
    size, detail = (spec.width, spec.height), spec.detail_size
    if detail is None or max(box.width, box.height) * (1 + 2 * margin) <= max(detail):
        return crop_upright(picture, box, margin, size, roll_degrees)
    reduced = crop_upright(picture, box, margin, detail, roll_degrees)
    return np.asarray(cv2.resize(reduced, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def with_detail(face: NDArray[np.uint8], spec: ModelInput) -> NDArray[np.uint8]:
    """Average a picture that is a face down to the detail that `spec` states, uint8 (h, w[, 3]); else return it."""
    detail = spec.detail_size
    if detail is None or max(face.shape[:2]) <= max(detail):
        return face
    return np.asarray(cv2.resize(face, detail, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _padded(picture: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """Cut out a square; repeat the edge pixels where it lies outside the picture."""
    height, width = picture.shape[:2]
    inside = picture[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    before_y, before_x = max(0, -top), max(0, -left)
    after_y, after_x = max(0, top + side - height), max(0, left + side - width)
    if not (before_x or before_y or after_x or after_y):
        return inside
    if not inside.size:  # a predicted box may lie outside the picture
        return np.zeros((side, side, *picture.shape[2:]), dtype=np.uint8)
    border = (before_y, after_y, before_x, after_x)
    return np.asarray(cv2.copyMakeBorder(inside, *border, cv2.BORDER_REPLICATE), dtype=np.uint8)


def input_table(
    spec: ModelInput, scale: float, zero_point: int, dtype: type[np.int8 | np.uint8]
) -> NDArray[np.integer[Any]]:
    """Return the lookup table from pixel values to quantized input, shape (256,), of `dtype` (int8 or uint8).

    Pixels map linearly to the range that the float model was trained on, and real = scale *
    (quantized - zero_point) (TensorFlow Lite's 8-bit quantization specification).
    """
    low, high = spec.value_range
    real = low + (high - low) * np.arange(LEVELS) / (LEVELS - 1)
    limits = np.iinfo(dtype)
    quantized = np.clip(np.round(real / scale) + zero_point, limits.min, limits.max)
    return np.asarray(quantized, dtype=dtype)


def dequantize(output: NDArray[np.generic], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Return the real values, float32, of a quantized tensor of any shape."""
    return ((output.astype(np.float32) - zero_point) * scale).astype(np.float32)
