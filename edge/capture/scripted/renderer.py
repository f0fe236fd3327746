"""Draws the frames of the scripted source.

The same frame has the same pixels on every machine and with every version of numpy and OpenCV: resampling is
fixed-point, random numbers are counter-based, and elsewhere only operations are used that every processor rounds alike.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.capture.scripted.script import NO_ACTOR, Script, wave
from edge.capture.scripted.sprite import (
    ACTOR_PNG,
    FACE_CENTRE,
    ONE,
    SPRITE_HEIGHT_PX,
    SPRITE_WIDTH_PX,
    IntImage,
    Sprite,
)
from edge.types import Luma

WIDTH_PX, HEIGHT_PX = 640, 480

_MEAN_CENTRE_PX = (320.0, 205.0)
"""Average position (x, y) of the middle of the face."""
_SWAY_PX = (22.0, 6.0)
_SWAY_PERIOD_SECONDS = (5.3, 3.7)
_SCALE_MEAN, _SCALE_SWING, _SCALE_PERIOD_SECONDS = 1.04, 0.05, 7.1  # a face of 190 to 209 pixels

_NOISE_MARGIN_PX = 128
"""Excess of the noise image over a frame in width and height, so that each frame uses another part of it."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Look of the actor at one moment.

    The expression is `mix` / 256 of `emotion` and the rest of `previous`; the actor covers the background by
    `opacity` / 256.
    """

    previous: str
    emotion: str
    mix: int
    opacity: int


def pose_at(script: Script, seconds: float, *, repeated: bool = False) -> Pose:
    """Return the pose `seconds` after the start of a run; `repeated`: not the first run of a loop."""
    index = script.index_at(seconds)
    segment = script.segments[index]
    before = script.segments[index - 1].emotion if index or repeated else segment.emotion
    done = _smooth_step((seconds - segment.start_seconds) / segment.morph_seconds)
    if segment.emotion == NO_ACTOR:
        return Pose(before, before, ONE, 0 if before == NO_ACTOR else ONE - done)
    if before == NO_ACTOR:
        return Pose(segment.emotion, segment.emotion, ONE, done)
    return Pose(before, segment.emotion, done, ONE)


class Renderer:
    """Draws background, actor and noise for one seed.

    `strip_path` is the image of the composite faces. Raises `SourceError` where it is missing or of another size.
    """

    def __init__(self, seed: int, strip_path: Path = ACTOR_PNG) -> None:
        self._seed = seed
        self._sprite = Sprite(strip_path)
        self._background = _background(seed)
        self._noise = _noise(seed)
        self._phases = [int(value) / 2**32 for value in _random_words(seed, 3, 3) >> np.uint64(32)]

    def draw(self, pose: Pose, number: int, fps: float, tilt_degrees: float = 0.0) -> Luma:
        """Draw frame `number` at `fps` frames per second: uint8 (480, 640).

        `tilt_degrees`: of the head, clockwise in the picture.
        """
        image = self._background.copy()
        if pose.opacity:
            self._draw_actor(image, pose, number / fps, tilt_degrees)
        top, left = (int(word % np.uint64(_NOISE_MARGIN_PX)) for word in _random_words(self._seed, 100 + number, 2))
        image += self._noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        return np.clip(image, 0, 255).astype(np.uint8)

    def _draw_actor(self, image: NDArray[np.int16], pose: Pose, seconds: float, tilt_degrees: float) -> None:
        sprite, alpha = self._sprite.draw(pose.previous, pose.emotion, pose.mix, tilt_degrees)
        swing = [
            wave(seconds / period + phase)
            for period, phase in zip((*_SWAY_PERIOD_SECONDS, _SCALE_PERIOD_SECONDS), self._phases, strict=True)
        ]
        scale = _SCALE_MEAN + _SCALE_SWING * swing[2]
        columns, left = _taps(_MEAN_CENTRE_PX[0] + _SWAY_PX[0] * swing[0], FACE_CENTRE[0], scale, 0)
        rows, top = _taps(_MEAN_CENTRE_PX[1] + _SWAY_PX[1] * swing[1], FACE_CENTRE[1], scale, 1)
        cover = _resampled(alpha, rows, columns) * pose.opacity // ONE
        part = image[top : top + len(rows[0]), left : left + len(columns[0])]
        part += ((_resampled(sprite, rows, columns) - part) * cover // ONE).astype(np.int16)


Taps = tuple[NDArray[np.intp], IntImage]


def _taps(at_px: float, centre_px: float, scale: float, axis: int) -> tuple[Taps, int]:
    """Return, for each output pixel along one axis, the sprite pixel before it and the weight of the next.

    The sprite's `centre_px` comes to lie at `at_px`. Output pixels outside the sprite are left out; the second result
    is the first output pixel inside.
    """
    length, sprite = ((WIDTH_PX, SPRITE_WIDTH_PX), (HEIGHT_PX, SPRITE_HEIGHT_PX))[axis]
    positions = (np.arange(length) - at_px) / scale + centre_px
    fixed = np.floor(positions * ONE).astype(np.int64)
    reached = np.flatnonzero((fixed >= 0) & (fixed < (sprite - 1) * ONE))
    used = fixed[reached]
    return ((used // ONE).astype(np.intp), (used % ONE).astype(np.int32)), int(reached[0])


def _resampled(image: IntImage, rows: Taps, columns: Taps) -> IntImage:
    """Resample bilinearly, in integers."""
    index, weight = rows[0], rows[1][:, None]
    tall = image[index] * (ONE - weight) + image[index + 1] * weight
    index, weight = columns[0], columns[1][None, :]
    wide = tall[:, index] * (ONE - weight) + tall[:, index + 1] * weight
    return np.asarray(wide // (ONE * ONE), np.int32)


def _background(seed: int) -> NDArray[np.int16]:
    """Draw a wall: coarse and fine blotches and light from above; nothing that a cascade could take for a face."""
    wall = np.zeros((HEIGHT_PX, WIDTH_PX), np.int32)
    for stream, cell_px, strength in ((1, 80, 36), (2, 16, 12)):
        shape = (HEIGHT_PX // cell_px + 2, WIDTH_PX // cell_px + 2)
        grid = (_random_words(seed, stream, shape[0] * shape[1]) >> np.uint64(56)).astype(np.int32).reshape(shape)
        taps = [
            (np.arange(size) // cell_px, (np.arange(size) % cell_px * ONE // cell_px).astype(np.int32))
            for size in (HEIGHT_PX, WIDTH_PX)
        ]
        wall += (_resampled(grid, taps[0], taps[1]) - 128) * strength // ONE
    light = 165 - np.arange(HEIGHT_PX, dtype=np.int32)[:, None] * 40 // HEIGHT_PX
    return (wall + light).astype(np.int16)


def _noise(seed: int) -> NDArray[np.int16]:
    """Return sensor noise, triangular from -7 to 7 grey levels, larger than a frame by `_NOISE_MARGIN_PX`."""
    shape = (HEIGHT_PX + _NOISE_MARGIN_PX, WIDTH_PX + _NOISE_MARGIN_PX)
    words = _random_words(seed, 4, shape[0] * shape[1])
    two_dice = (words & np.uint64(7)) + (words >> np.uint64(8) & np.uint64(7))
    return two_dice.astype(np.int16).reshape(shape) - np.int16(7)


def _random_words(seed: int, stream: int, count: int) -> NDArray[np.uint64]:
    """Return `count` random 64-bit words that depend only on `seed` and `stream` (SplitMix64)."""
    start = ((seed << 32) + stream) * 0xD1342543DE82EF95 % 2**64
    with np.errstate(over="ignore"):
        word = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(word ^ (word >> np.uint64(31)), np.uint64)


def _smooth_step(share: float) -> int:
    """Return the eased value (smoothstep), 0 to 256, of a share from 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    return int(share * share * (3 - 2 * share) * ONE + 0.5)
