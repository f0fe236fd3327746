"""Draws the actor's picture without a background: head and shoulders, with any expression and a tilt of the head.

In integers, or with operations that every processor rounds alike, as `renderer` says.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.scripted.script import EMOTIONS
from edge.errors import SourceError

ACTOR_PNG = Path(__file__).resolve().parents[2] / "assets" / "actor.png"
"""A grey strip of composite faces, 48x48 pixels each, in the order of `EMOTIONS`."""

ONE = 256
"""Fixed-point 1.0 of resampling weights and opacities."""
_COMPOSITE_PX = 48
_ENLARGE = 4
_FACE_PX = _COMPOSITE_PX * _ENLARGE
SPRITE_WIDTH_PX, SPRITE_HEIGHT_PX = 512, 560
_FACE_LEFT_PX, _FACE_TOP_PX = (SPRITE_WIDTH_PX - _FACE_PX) // 2, 60
FACE_CENTRE = (_FACE_LEFT_PX + _FACE_PX / 2, _FACE_TOP_PX + _FACE_PX / 2)
"""Middle (x, y) of an upright face in the sprite."""
_PIVOT = (FACE_CENTRE[0], FACE_CENTRE[1] + 0.45 * _FACE_PX)
"""Where the head tilts: in the neck, a little above the chin."""
_HAIR = (0.02, 0.54, 0.66, 52.0, 0.06)
_NECK_AND_SHOULDERS = ((0.50, 0.24, 0.42, 96.0, 0.10), (1.55, 1.15, 0.88, 74.0, 0.03))
"""Offset below the centre of the face, half width, half height in face sizes, grey, softness; painted in order."""
_HEAD_HEIGHT_PX = 400
"""Rows of the sprite that a head with any tilt reaches: hair reaches 127 pixels from the middle of the face."""
_STEPS = 2**16
"""Fixed-point 1.0 of a sine: libraries round sin() differently, but not as coarsely."""

IntImage = NDArray[np.int32]
_Floats = NDArray[np.float64]


class Sprite:
    """The actor's picture with each expression and tilt.

    `strip_path` is the image of the composite faces. Raises `SourceError` where it is missing or of another size.
    """

    def __init__(self, strip_path: Path = ACTOR_PNG) -> None:
        self._faces = {name: _enlarged(face) for name, face in zip(EMOTIONS, _load_strip(strip_path), strict=True)}
        y, x = np.mgrid[0:SPRITE_HEIGHT_PX, 0:SPRITE_WIDTH_PX].astype(np.float64)
        self._x, self._y = x[0], y[:, 0]
        self._neck = _paint(x, y, _NECK_AND_SHOULDERS)
        self._upright = self._silhouette(x, y)
        self._mask = _fixed(_ellipse(x, y, FACE_CENTRE, (0.49, 0.53), 0.22)[_face_slices()] * ONE)
        behind = self._upright[0][_face_slices()]
        self._upright_faces = {name: _over(face, self._mask, behind) for name, face in self._faces.items()}
        self._tilt_degrees = 0.0
        self._tilted = self._upright
        self._place = _FacePlace(x, y)

    def draw(self, previous: str, emotion: str, mix: int, tilt_degrees: float = 0.0) -> tuple[IntImage, IntImage]:
        """Return grey and opacity (0 to 256) of the actor, both (560, 512).

        The expression is `mix` / 256 of `emotion` and the rest of `previous`. `tilt_degrees`: of the head, clockwise.
        """
        if not tilt_degrees:
            sprite, alpha = self._upright[0].copy(), self._upright[1]
            sprite[_face_slices()] = _mixed(self._upright_faces, previous, emotion, mix)
            return sprite, alpha
        if tilt_degrees != self._tilt_degrees:
            self._tilt(tilt_degrees)
        sprite, alpha = self._tilted[0].copy(), self._tilted[1]
        pixels, place = sprite.reshape(-1), self._place
        face = place.resampled(_mixed(self._faces, previous, emotion, mix))
        pixels[place.pixels] = _over(face, place.resampled(self._mask), pixels[place.pixels])
        return sprite, alpha

    def _tilt(self, tilt_degrees: float) -> None:
        """Turn the head about the neck."""
        radians = math.radians(tilt_degrees)
        cosine, sine = (round(value * _STEPS) / _STEPS for value in (math.cos(radians), math.sin(radians)))
        across, down = self._x - _PIVOT[0], self._y[:_HEAD_HEIGHT_PX, None] - _PIVOT[1]
        x = across * cosine + down * sine + _PIVOT[0]
        y = down * cosine - across * sine + _PIVOT[1]
        self._tilt_degrees = tilt_degrees
        self._tilted = self._silhouette(x, y)
        self._place = _FacePlace(x, y)

    def _silhouette(self, x: _Floats, y: _Floats) -> tuple[IntImage, IntImage]:
        """Return grey and opacity (0 to 256) of head and shoulders.

        `x`, `y`: where each pixel of the upper rows of the sprite lies in an upright head.
        """
        hair_body, hair_alpha = _paint(x, y, (_HAIR,))
        body, alpha = (each.copy() for each in self._neck)
        rows = len(x)
        behind = 1 - alpha[:rows]
        body[:rows] += hair_body * behind
        alpha[:rows] += hair_alpha * behind
        # The parts were painted over black; dividing by alpha restores their own grey at the soft outer edge.
        np.divide(body, alpha, out=body, where=alpha > 0)
        return _fixed(body), _fixed(alpha * ONE)


class _FacePlace:
    """The pixels of the sprite that a tilted face covers, and which pixels of the face they show."""

    def __init__(self, x: _Floats, y: _Floats) -> None:
        """`x`, `y`: as in `Sprite._silhouette`."""
        across, down = x - _FACE_LEFT_PX, y - _FACE_TOP_PX
        last = _FACE_PX - 1
        self.pixels = np.flatnonzero((across >= 0) & (across < last) & (down >= 0) & (down < last))
        """Indices into the sprite's pixels in a row."""
        columns, rows = (np.floor(each.reshape(-1)[self.pixels] * ONE).astype(np.int32) for each in (across, down))
        self._first = rows // ONE * _FACE_PX + columns // ONE
        self._right, self._below = columns % ONE, rows % ONE

    def resampled(self, face: IntImage) -> IntImage:
        """Resample an image of the face (192, 192) bilinearly, in integers: int32 (pixels,)."""
        flat, first, right, below = face.reshape(-1), self._first, self._right, self._below
        upper = flat[first] * (ONE - right) + flat[first + 1] * right
        lower = flat[first + _FACE_PX] * (ONE - right) + flat[first + _FACE_PX + 1] * right
        return np.asarray((upper * (ONE - below) + lower * below) // (ONE * ONE), np.int32)


def _mixed(faces: dict[str, IntImage], previous: str, emotion: str, mix: int) -> IntImage:
    return (faces[emotion] * mix + faces[previous] * (ONE - mix)) // ONE


def _over(face: IntImage, cover: IntImage, behind: IntImage) -> IntImage:
    return (face * cover + behind * (ONE - cover)) // ONE


def _paint(x: _Floats, y: _Floats, parts: Sequence[tuple[float, ...]]) -> tuple[_Floats, _Floats]:
    """Paint ellipses over black; returns grey, and opacity from 0 to 1."""
    body = np.zeros(x.shape)
    alpha = np.zeros(x.shape)
    for below, half_width, half_height, grey, softness in parts:
        centre = FACE_CENTRE[0], FACE_CENTRE[1] + below * _FACE_PX
        cover = _ellipse(x, y, centre, (half_width, half_height), softness)
        body = body + (grey - body) * cover
        alpha = alpha + (1 - alpha) * cover
    return body, alpha


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


def _ellipse(
    x: _Floats,
    y: _Floats,
    centre: tuple[float, float],
    half_sizes: tuple[float, float],
    softness: float,
) -> _Floats:
    """Return 1 inside, 0 outside, with a soft edge that ends at the half sizes (in face sizes)."""
    across = (x - centre[0]) / (half_sizes[0] * _FACE_PX)
    down = (y - centre[1]) / (half_sizes[1] * _FACE_PX)
    inside = np.clip((1 - np.sqrt(across * across + down * down)) / softness, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float64)


def _face_slices() -> tuple[slice, slice]:
    return slice(_FACE_TOP_PX, _FACE_TOP_PX + _FACE_PX), slice(_FACE_LEFT_PX, _FACE_LEFT_PX + _FACE_PX)


def _fixed(values: _Floats) -> IntImage:
    return np.asarray(np.floor(values + 0.5), np.int32)
