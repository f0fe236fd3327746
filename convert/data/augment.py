"""Augments 48x48 training faces at random, as cameras and the Haar detector's boxes distort them."""

import math
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import FACE_SIDE_PX

Image = NDArray[np.uint8]

_EVEN_CHANCE: Final = 0.5
_MAX_ROTATION_DEG: Final = 180.0
_MAX_SCALE: Final = 4.0
"""A face four times as large as its box: no detector is that wrong."""
_ON_THE_FACE: Final = ("glasses", "mask", "hand")
"""Corruptions applied before the face is framed, so that they turn and shift with it."""


@dataclass(frozen=True)
class Augmentation:
    """Limits and probabilities of the random changes.

    `rotation_deg`: largest angle; the distribution is normal with half of it as standard deviation, clipped.
    `scale`: range of the size of the face relative to the box, uniform. `shift`: largest displacement, share
    of the side, uniform. `chances`: probability of each corruption, drawn independently; strengths are
    uniform in 0..1.
    """

    rotation_deg: float = 20.0
    scale: tuple[float, float] = (0.85, 1.2)
    shift: float = 0.1
    chances: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown corruption, and for a value outside its range."""
        require_range("rotation_deg", self.rotation_deg, 0, _MAX_ROTATION_DEG)
        if not 0 < self.scale[0] <= self.scale[1] <= _MAX_SCALE:
            msg = f"scale = {list(self.scale)} must be [lowest, highest], above 0 and at most {_MAX_SCALE:g}"
            raise ValueError(msg)
        require_range("shift", self.shift, 0, 1)
        for name, chance in self.chances.items():
            if name not in CORRUPTIONS:
                msg = f"chances.{name} must be the chance of one of {', '.join(CORRUPTIONS)}"
                raise ValueError(msg)
            require_range(f"chances.{name}", chance, 0, 1)


def require_range(name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Raise ValueError where the value of a setting is not from `lowest` to `highest`, or not a finite number."""
    if not (lowest <= value <= highest and value != math.inf):
        limits = f"at least {lowest:g}" if highest == math.inf else f"from {lowest:g} to {highest:.12g}"
        msg = f"{name} = {value!r} must be {limits}"
        raise ValueError(msg)


CAMERA: Final = Augmentation(
    rotation_deg=30.0,
    chances={
        "glasses": 0.05,
        "mask": 0.05,
        "hand": 0.15,
        "gamma": 0.5,
        "contrast": 0.5,
        "low_light": 0.1,
        "backlight": 0.1,
        "low_resolution": 0.12,
        "motion_blur": 0.12,
        "sensor_noise": 0.2,
        "sharpening": 0.3,
        "jpeg": 0.15,
    },
)
"""Every distortion of a camera in a room."""

GENTLE: Final = Augmentation(
    rotation_deg=20.0,
    scale=(0.92, 1.12),
    shift=0.06,
    chances={name: 0.35 * chance for name, chance in CAMERA.chances.items()} | {"sharpening": 0.25},
)
"""Milder changes for the last stage of a run: mostly ordinary faces, and enough of the rest to retain it.

Sharp faces are ordinary ones for a camera, so that they stay nearly as frequent.
"""


def random_framing(image: Image, side_px: int, how: Augmentation, rng: np.random.Generator) -> Image:
    """Turn, scale, shift and mirror a (48, 48) face at random, as a detector's box would frame it; (side, side)."""
    angle = float(np.clip(rng.normal(0.0, how.rotation_deg / 2), -how.rotation_deg, how.rotation_deg))
    shift = rng.uniform(-how.shift, how.shift, 2)
    scale = rng.uniform(*how.scale)
    if rng.random() < _EVEN_CHANCE:
        image = np.ascontiguousarray(image[:, ::-1])
    return place_face(image, side_px, angle, scale, (float(shift[0]), float(shift[1])))


def place_face(image: Image, side_px: int, angle_deg: float, scale: float, shift: tuple[float, float]) -> Image:
    """Turn and scale a square face about its centre and move it by a share of the side; (side, side).

    Pixels from outside the image repeat its edge.
    """
    source = image.shape[0]
    centre = (source - 1) / 2
    matrix: NDArray[np.float64] = np.asarray(
        cv2.getRotationMatrix2D((centre, centre), angle_deg, scale * side_px / source), dtype=np.float64
    )
    matrix[:, 2] += (side_px - 1) / 2 - centre + np.asarray(shift) * side_px
    placed = cv2.warpAffine(image, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(placed, dtype=np.uint8)


def augment(image: Image, side_px: int, how: Augmentation, rng: np.random.Generator) -> Image:
    """Return one random view of a uint8 (48, 48) face as uint8 (side_px, side_px)."""
    drawn = [name for name in CORRUPTIONS if rng.random() < how.chances.get(name, 0.0)]
    before_framing = [name for name in drawn if name in _ON_THE_FACE]
    if before_framing:
        image = cv2.resize(image, (2 * FACE_SIDE_PX, 2 * FACE_SIDE_PX)).astype(np.uint8)
    for name in before_framing:
        image = CORRUPTIONS[name](image, rng.random(), rng)
    view = random_framing(image, side_px, how, rng)
    for name in drawn:
        if name not in _ON_THE_FACE:
            view = CORRUPTIONS[name](view, rng.random(), rng)
    return view


def resize_face(image: Image, side_px: int) -> Image:
    """Return the face resized and otherwise unchanged, as evaluation uses it."""
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
