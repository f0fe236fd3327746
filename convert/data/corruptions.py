"""Corrupts images of faces, one function per corruption, at a strength from 0 (slight) to 1 (severe).

Training draws strengths at random (`convert.data.augment`). Robustness is measured at fixed strengths
(`convert.evaluation.robustness`). Both use the same scale.

Every function takes a grey uint8 (h, w) image that a face fills and a generator for random directions and
places, and returns a new image of the same shape.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Corruption = Callable[[Image, float, np.random.Generator], Image]

_EVEN_CHANCE: Final = 0.5
_LARGEST_GAMMA: Final = 2.2
_EYES_Y: Final = 0.38
"""Height of the eyes in the mean face of FER2013's Training, share of the side."""
_EYE_X: Final = (0.3, 0.7)
_MAX_LEVEL: Final = 255


def _levels(image: Image, levels: NDArray[np.float64]) -> Image:
    """Map each of the 256 grey levels, given as 0..1, to a new one."""
    lookup = np.clip(levels * _MAX_LEVEL, 0, _MAX_LEVEL).astype(np.uint8)
    return np.asarray(cv2.LUT(image, lookup), dtype=np.uint8)


def _ramp() -> NDArray[np.float64]:
    return np.linspace(0.0, 1.0, _MAX_LEVEL + 1)


def gamma(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Brighten or darken the middle tones: exponent up to 2.2 either way."""
    sign = 1 if rng.random() < _EVEN_CHANCE else -1
    return _levels(image, _ramp() ** (_LARGEST_GAMMA ** (sign * strength)))


def contrast(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Flatten or steepen the tones by up to 40 %, and shift them by up to 15 %."""
    sign = 1 if rng.random() < _EVEN_CHANCE else -1
    shift = rng.uniform(-0.15, 0.15) * strength
    return _levels(image, (_ramp() - 0.5) * (1 + sign * 0.4 * strength) + 0.5 + shift)


def low_light(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Reduce the light, to 15 % at strength 1, and add the shot noise of a full well of 400 electrons."""
    electrons = image * ((1 - 0.85 * strength) * 400 / _MAX_LEVEL)
    noisy = electrons + rng.standard_normal(image.shape, dtype=np.float32) * np.sqrt(electrons)
    return np.asarray(np.clip(noisy * (_MAX_LEVEL / 400), 0, _MAX_LEVEL), dtype=np.uint8)


def backlight(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Darken the face and spread haze from one side, as a window behind the head does."""
    side_y, side_x = image.shape
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:side_y, 0:side_x]
    towards = (x / side_x - 0.5) * np.cos(angle) + (y / side_y - 0.5) * np.sin(angle) + 0.5
    haze = 150 * strength * np.clip(towards, 0, 1) ** 2
    return np.asarray(np.clip(image * (1 - 0.65 * strength) + haze, 0, _MAX_LEVEL), dtype=np.uint8)


def motion_blur(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Blur along a random line, up to an eighth of the face long."""
    length = max(2, round(image.shape[0] / 8 * strength))
    kernel = np.zeros((length, length), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = (np.round(half + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, (1.0,))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8)


def low_resolution(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Reduce the face to 48 pixels at strength 0, 18 at strength 1, and enlarge it again."""
    del rng
    height, width = image.shape
    small = round(48 - 30 * strength)
    reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (width, height)), dtype=np.uint8)


def sensor_noise(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Add Gaussian noise of up to 20 grey levels."""
    grain = rng.standard_normal(image.shape, dtype=np.float32) * (20 * strength)
    return np.asarray(np.clip(image + grain, 0, _MAX_LEVEL), dtype=np.uint8)


def sharpening(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Sharpen as cameras do: an unsharp mask with a radius of a 48th of the face, up to three times its difference."""
    del rng
    blurred = cv2.GaussianBlur(image, (0, 0), image.shape[1] / 48)
    return np.asarray(cv2.addWeighted(image, 1 + 3 * strength, blurred, -3 * strength, 0), dtype=np.uint8)


def jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Compress as JPEG: quality 90 at strength 0, 10 at strength 1."""
    del rng
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(90 - 80 * strength)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def hand(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Cover up to a seventh of the face with a flat, turned ellipse."""
    side_y, side_x = image.shape
    axes = (round(side_x * (0.1 + 0.2 * strength)), round(side_y * (0.05 + 0.1 * strength)))
    centre = (int(rng.integers(0, side_x)), int(rng.integers(side_y // 4, side_y)))
    level = int(rng.integers(0, _MAX_LEVEL + 1))
    image = image.copy()
    cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, (level,), cv2.FILLED, cv2.LINE_AA)
    return image


def glasses(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Draw glasses: rims that thicken with the strength, and above two thirds dark lenses."""
    side_y, side_x = image.shape
    level = int(rng.integers(0, 70))
    radius = (round(side_x * 0.145), round(side_y * 0.115))
    rim = max(1, round(side_x * 0.05 * strength))
    centres = [(round(side_x * x), round(side_y * _EYES_Y)) for x in _EYE_X]
    worn = image.copy()
    for centre in centres:
        cv2.ellipse(worn, centre, radius, 0, 0, 360, (level,), rim, cv2.LINE_AA)
    bridge = [(centres[0][0] + radius[0], centres[0][1]), (centres[1][0] - radius[0], centres[1][1])]
    cv2.line(worn, bridge[0], bridge[1], (level,), rim, cv2.LINE_AA)
    tint = 3 * strength - 2
    if tint > 0:
        lenses = worn.copy()
        for centre in centres:
            cv2.ellipse(lenses, centre, radius, 0, 0, 360, (level,), cv2.FILLED, cv2.LINE_AA)
        worn = np.asarray(cv2.addWeighted(lenses, tint, worn, 1 - tint, 0), dtype=np.uint8)
    return worn


def mask(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Cover the chin (strength 0) up to mouth and nose (strength 1)."""
    side_y, side_x = image.shape
    top = round(side_y * (0.88 - 0.36 * strength))
    level = int(rng.integers(40, 240))
    outline = np.array(
        [
            (round(side_x * 0.12), top + side_y // 12),
            (side_x // 2, top),
            (round(side_x * 0.88), top + side_y // 12),
            (round(side_x * 0.74), side_y),
            (round(side_x * 0.26), side_y),
        ],
        dtype=np.int32,
    )
    image = image.copy()
    cv2.fillPoly(image, [outline], (level,), cv2.LINE_AA)
    return image


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "glasses": glasses,
    "mask": mask,
    "hand": hand,
    "gamma": gamma,
    "contrast": contrast,
    "low_light": low_light,
    "backlight": backlight,
    "low_resolution": low_resolution,
    "motion_blur": motion_blur,
    "sensor_noise": sensor_noise,
    "sharpening": sharpening,
    "jpeg": jpeg,
}
"""By name, in the order of application: on the face, in the light, in the lens, on the sensor, in the camera's
processor, in transmission."""
