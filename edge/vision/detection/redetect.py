"""Finding a followed face again: a small window around where it is expected, over few sizes."""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from edge.types import Box, Detection, TrackPrediction
from edge.vision.pyramid import ImagePyramid

_FACE_WINDOWS: Final = 1.33
"""Size to which the face is brought, in windows of the cascade: 32 pixels for one of 24."""
_SLACK: Final = 0.25
"""How far the face may be from where it is expected, in its sides, where it is known how it moves."""
_SLACK_NEW: Final = 0.3
"""... and as much more while that is not known,"""
_SLACK_SPEED: Final = 0.5
"""for each side by which it moves between two frames,"""
_SLACK_MISSED: Final = 0.2
"""and for each frame in which it was not found."""
_MOST_SLACK: Final = 1.0
_SIZES: Final = (0.84, 1.25)
_SIZES_UNSURE: Final = (0.75, 1.35)
_STEP: Final = 1.1
_EVERY_AFTER: Final = 3
"""A face that was not found in so many frames is looked for in every second one: its window is large by
then, and the search of everything looks there as well."""
_TOGETHER: Final = 0.25
"""Hits whose centres are so near to each other, in sides, are of one face."""

_Hit = tuple[float, float, float, float]
"""Left, top, width, height, pixels of the frame."""


def redetect(
    cascade: cv2.CascadeClassifier, pictures: ImagePyramid, face: TrackPrediction, taken: Sequence[Box]
) -> Detection | None:
    """Look for a followed face in a frame; `taken` are boxes that other faces were found in.

    Returns None where it is not found. Every hit of the cascade counts, without a number of neighbours: that
    a face is there is known, and it turns and blurs.
    """
    if face.missed > _EVERY_AFTER and (face.missed + face.serial) % 2:
        return None
    window = cascade.getOriginalWindowSize()[0]
    side = face.box.width
    slack = _SLACK + _SLACK_SPEED * face.speed + _SLACK_MISSED * max(0, face.missed - 1) + _SLACK_NEW * face.new
    reach = side * (0.5 + min(slack, _MOST_SLACK))
    unsure = face.new or face.missed > 1
    octave = max(0, math.floor(math.log2(side / (_FACE_WINDOWS * window))))
    picture = pictures.at(octave)
    centre_x, centre_y = (value / 2**octave for value in face.box.centre)
    reach /= 2**octave
    left, top = max(0, round(centre_x - reach)), max(0, round(centre_y - reach))
    part = picture[top : max(0, round(centre_y + reach)), left : max(0, round(centre_x + reach))]
    factor = _FACE_WINDOWS * window * 2**octave / side
    size = (round(part.shape[1] * factor), round(part.shape[0] * factor))
    if min(size) < window:
        return None
    smallest, largest = (round(_FACE_WINDOWS * window * share) for share in (_SIZES_UNSURE if unsure else _SIZES))
    reduced = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    hits = cascade.detectMultiScale(
        reduced, scaleFactor=_STEP, minNeighbors=0, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    if not len(hits):
        return None
    scale = 2**octave / factor
    return _chosen(
        [
            (left * 2**octave + x * scale, top * 2**octave + y * scale, across * scale, down * scale)
            for x, y, across, down in sorted(np.asarray(hits).tolist())
        ],
        face,
        taken,
    )


def _chosen(hits: list[_Hit], face: TrackPrediction, taken: Sequence[Box]) -> Detection | None:
    """Merge the hits around the one nearest to where the face is expected."""
    middle_x, middle_y = face.box.centre
    side = face.box.width
    placed = []
    for hit in hits:
        x, y = hit[0] + hit[2] / 2, hit[1] + hit[3] / 2
        if not any(box.holds((x, y)) for box in taken):
            away = math.hypot(x - middle_x, y - middle_y) / side + abs(math.log(hit[2] / side))
            placed.append((away, x, y, hit))
    if not placed:
        return None
    _, centre_x, centre_y, _ = min(placed)
    near = [
        hit
        for _, x, y, hit in placed
        if abs(x - centre_x) <= _TOGETHER * side and abs(y - centre_y) <= _TOGETHER * side
    ]
    x, y, width, height = (sum(values) / len(near) for values in zip(*near, strict=True))
    return Detection(Box(x, y, width, height), len(near), None, face.serial)
