"""Draws the frames of the scripted source.

The same frame has the same pixels on every machine and with every version of numpy and OpenCV: resampling is
fixed-point, random numbers are counter-based, and elsewhere only operations are used that every processor rounds alike.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.scripted.script import EMOTIONS, NO_ACTOR, Script
from edge.errors import SourceError
from edge.types import Luma

ACTOR_PNG = Path(__file__).resolve().parents[2] / "assets" / "actor.png"
"""A grey strip of composite faces, 48x48 pixels each, in the order of `EMOTIONS`."""

WIDTH_PX, HEIGHT_PX = 640, 480
_COMPOSITE_PX = 48
_ENLARGE = 4
_FACE_PX = _COMPOSITE_PX * _ENLARGE
_SPRITE_WIDTH_PX, _SPRITE_HEIGHT_PX = 512, 560
_FACE_LEFT_PX, _FACE_TOP_PX = (_SPRITE_WIDTH_PX - _FACE_PX) // 2, 60
_FACE_CENTRE = (_FACE_LEFT_PX + _FACE_PX / 2, _FACE_TOP_PX + _FACE_PX / 2)

_MEAN_CENTRE_PX = (320.0, 205.0)
"""Average position (x, y) of the middle of the face."""
_SWAY_PX = (22.0, 6.0)
_SWAY_PERIOD_SECONDS = (5.3, 3.7)
_SCALE_MEAN, _SCALE_SWING, _SCALE_PERIOD_SECONDS = 1.04, 0.05, 7.1  # a face of 190 to 209 pixels

_NOISE_MARGIN_PX = 128
"""Excess of the noise image over a frame in width and height, so that each frame uses another part of it."""
_ONE = 256  # fixed-point 1.0 of resampling weights and opacities

IntImage = NDArray[np.int32]


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
        return Pose(before, before, _ONE, 0 if before == NO_ACTOR else _ONE - done)
    if before == NO_ACTOR:
        return Pose(segment.emotion, segment.emotion, _ONE, done)
    return Pose(before, segment.emotion, done, _ONE)


class Renderer:
    """Draws background, actor and noise for one seed.

    `strip_path` is the image of the composite faces. Raises `SourceError` where it is missing or of another size.
    """

    def __init__(self, seed: int, strip_path: Path = ACTOR_PNG) -> None:
        self._seed = seed
        faces = [_enlarged(face) for face in _load_strip(strip_path)]
        self._alpha, body, face_mask = _silhouette()
        rows, columns = _face_slices()
        behind = body[rows, columns]
        self._body = body
        self._faces = {
            name: (face * face_mask + behind * (_ONE - face_mask)) // _ONE
            for name, face in zip(EMOTIONS, faces, strict=True)
        }
        self._background = _background(seed)
        self._noise = _noise(seed)
        self._phases = [int(value) / 2**32 for value in _random_words(seed, 3, 3) >> np.uint64(32)]

    def draw(self, pose: Pose, number: int, fps: float) -> Luma:
        """Draw frame `number` at `fps` frames per second: uint8 (480, 640)."""
        image = self._background.copy()
        if pose.opacity:
            self._draw_actor(image, pose, number / fps)
        top, left = (int(word % np.uint64(_NOISE_MARGIN_PX)) for word in _random_words(self._seed, 100 + number, 2))
        image += self._noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        return np.clip(image, 0, 255).astype(np.uint8)

    def _draw_actor(self, image: NDArray[np.int16], pose: Pose, seconds: float) -> None:
        sprite = self._body.copy()
        face, before = self._faces[pose.emotion], self._faces[pose.previous]
        sprite[_face_slices()] = (face * pose.mix + before * (_ONE - pose.mix)) // _ONE
        swing = [
            _wave(seconds / period + phase)
            for period, phase in zip((*_SWAY_PERIOD_SECONDS, _SCALE_PERIOD_SECONDS), self._phases, strict=True)
        ]
        scale = _SCALE_MEAN + _SCALE_SWING * swing[2]
        columns, left = _taps(_MEAN_CENTRE_PX[0] + _SWAY_PX[0] * swing[0], _FACE_CENTRE[0], scale, 0)
        rows, top = _taps(_MEAN_CENTRE_PX[1] + _SWAY_PX[1] * swing[1], _FACE_CENTRE[1], scale, 1)
        cover = _resampled(self._alpha, rows, columns) * pose.opacity // _ONE
        part = image[top : top + len(rows[0]), left : left + len(columns[0])]
        part += ((_resampled(sprite, rows, columns) - part) * cover // _ONE).astype(np.int16)


Taps = tuple[NDArray[np.intp], IntImage]


def _taps(at_px: float, centre_px: float, scale: float, axis: int) -> tuple[Taps, int]:
    """Return, for each output pixel along one axis, the sprite pixel before it and the weight of the next.

    The sprite's `centre_px` comes to lie at `at_px`. Output pixels outside the sprite are left out; the second result
    is the first output pixel inside.
    """
    length, sprite = ((WIDTH_PX, _SPRITE_WIDTH_PX), (HEIGHT_PX, _SPRITE_HEIGHT_PX))[axis]
    positions = (np.arange(length) - at_px) / scale + centre_px
    fixed = np.floor(positions * _ONE).astype(np.int64)
    reached = np.flatnonzero((fixed >= 0) & (fixed < (sprite - 1) * _ONE))
    used = fixed[reached]
    return ((used // _ONE).astype(np.intp), (used % _ONE).astype(np.int32)), int(reached[0])


def _resampled(image: IntImage, rows: Taps, columns: Taps) -> IntImage:
    """Resample bilinearly, in integers."""
    index, weight = rows[0], rows[1][:, None]
    tall = image[index] * (_ONE - weight) + image[index + 1] * weight
    index, weight = columns[0], columns[1][None, :]
    wide = tall[:, index] * (_ONE - weight) + tall[:, index + 1] * weight
    return np.asarray(wide // (_ONE * _ONE), np.int32)


def _load_strip(path: Path) -> list[IntImage]:
    try:
        strip = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        strip = None
    expected = (_COMPOSITE_PX, _COMPOSITE_PX * len(EMOTIONS))
    if strip is None or strip.shape != expected:
        message = (
            f"The actor's image {path} is missing or damaged: it must be a grey PNG of {expected[1]}x{expected[0]}"
        )
        raise SourceError(message)
    return [np.asarray(face, np.int32) for face in np.split(strip, len(EMOTIONS), axis=1)]


def _enlarged(face: IntImage) -> IntImage:
    """Enlarge four times by the Catmull-Rom cubic, in integers: bilinear enlargement would show the pixels."""
    return np.clip(_cubic_rows(_cubic_rows(face).T.copy()).T, 0, 255).astype(np.int32)


def _cubic_rows(image: IntImage) -> IntImage:
    padded = np.pad(image, ((2, 2), (0, 0)), mode="edge")
    result = np.empty((len(image) * _ENLARGE, image.shape[1]), np.int32)
    for phase in range(_ENLARGE):
        position = (2 * phase + 1 - _ENLARGE) / (2 * _ENLARGE)  # relative to the middle of the small pixel: -3/8 to 3/8
        first = 2 if position >= 0 else 1
        x = position if position >= 0 else position + 1
        taps = (
            (-x + 2 * x**2 - x**3) / 2,
            (2 - 5 * x**2 + 3 * x**3) / 2,
            (x + 4 * x**2 - 3 * x**3) / 2,
            (-(x**2) + x**3) / 2,
        )
        # With x in eighths the taps are multiples of 1/1024, so this is exact.
        weights = [round(tap * 1024) for tap in taps]
        rows = [padded[first - 1 + k : first - 1 + k + len(image)] * weights[k] for k in range(4)]
        result[phase::_ENLARGE] = (rows[0] + rows[1] + rows[2] + rows[3] + 512) >> 10
    return result


def _silhouette() -> tuple[IntImage, IntImage, IntImage]:
    """Return opacity (0 to 256) and grey of head and shoulders, and the mask (0 to 256) of the face."""
    y, x = np.mgrid[0:_SPRITE_HEIGHT_PX, 0:_SPRITE_WIDTH_PX].astype(np.float64)
    centre_x, centre_y = _FACE_CENTRE
    body = np.zeros(x.shape)
    alpha = np.zeros(x.shape)
    # (offset below the centre of the face, half width, half height) in face sizes, grey, softness; painted in order.
    parts = (
        (0.02, 0.54, 0.66, 52.0, 0.06),  # hair
        (0.50, 0.24, 0.42, 96.0, 0.10),  # neck
        (1.55, 1.15, 0.88, 74.0, 0.03),  # shoulders
    )
    for below, half_width, half_height, grey, softness in parts:
        cover = _ellipse(x, y, (centre_x, centre_y + below * _FACE_PX), (half_width, half_height), softness)
        body = body + (grey - body) * cover
        alpha = alpha + (1 - alpha) * cover
    # The parts were painted over black; dividing by alpha restores their own grey at the soft outer edge.
    body = np.where(alpha > 0, body / np.where(alpha > 0, alpha, 1), body)
    face = _ellipse(x, y, (centre_x, centre_y), (0.49, 0.53), 0.22)[_face_slices()]
    return _fixed(alpha * _ONE), _fixed(body), _fixed(face * _ONE)


def _ellipse(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    centre: tuple[float, float],
    half_sizes: tuple[float, float],
    softness: float,
) -> NDArray[np.float64]:
    """Return 1 inside, 0 outside, with a soft edge that ends at the half sizes (in face sizes)."""
    across = (x - centre[0]) / (half_sizes[0] * _FACE_PX)
    down = (y - centre[1]) / (half_sizes[1] * _FACE_PX)
    inside = np.clip((1 - np.sqrt(across * across + down * down)) / softness, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float64)


def _face_slices() -> tuple[slice, slice]:
    return slice(_FACE_TOP_PX, _FACE_TOP_PX + _FACE_PX), slice(_FACE_LEFT_PX, _FACE_LEFT_PX + _FACE_PX)


def _background(seed: int) -> NDArray[np.int16]:
    """Draw a wall: coarse and fine blotches and light from above; nothing that a cascade could take for a face."""
    wall = np.zeros((HEIGHT_PX, WIDTH_PX), np.int32)
    for stream, cell_px, strength in ((1, 80, 36), (2, 16, 12)):
        shape = (HEIGHT_PX // cell_px + 2, WIDTH_PX // cell_px + 2)
        grid = (_random_words(seed, stream, shape[0] * shape[1]) >> np.uint64(56)).astype(np.int32).reshape(shape)
        taps = [
            (np.arange(size) // cell_px, (np.arange(size) % cell_px * _ONE // cell_px).astype(np.int32))
            for size in (HEIGHT_PX, WIDTH_PX)
        ]
        wall += (_resampled(grid, taps[0], taps[1]) - 128) * strength // _ONE
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


def _fixed(values: NDArray[np.float64]) -> IntImage:
    return np.asarray(np.floor(values + 0.5), np.int32)


def _smooth_step(share: float) -> int:
    """Return the eased value (smoothstep), 0 to 256, of a share from 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    return int(share * share * (3 - 2 * share) * _ONE + 0.5)


def _wave(turns: float) -> float:
    """Return a wave between -1 and 1, one period per turn: parabolas, because libraries round sin() differently."""
    part = 2 * (turns % 1.0) - 1
    return 4 * part * (1 - abs(part))
