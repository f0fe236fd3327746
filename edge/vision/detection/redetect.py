"""Detects a known face again: one small window around its predicted place, and few sizes."""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from edge.types import Box, Detection, TrackPrediction
from edge.vision.pyramid import ImagePyramid

_FACE_WINDOWS: Final = 1.33
"""Side to which the face is resized, in windows of the cascade: 32 pixels for a window of 24."""
_SLACK: Final = 0.25
"""Distance between predicted and true centre that is always allowed, in sides of the face."""
_SLACK_NEW: Final = 0.3
"""Additional slack while the face was detected only once, so that its velocity is unknown."""
_SLACK_SPEED: Final = 0.5
"""Additional slack for each side by which the face is predicted to move between two frames."""
_SLACK_MISS: Final = 0.2
"""Additional slack for each missed frame after the first."""
_SLACK_PER_SECOND: Final = 1.0
"""Additional slack for each second by which two frames are further apart than this search was tuned for: someone who
stands in front of the sensor leans and steps about that far."""
_MAX_SLACK: Final = 1.0
_SIZE_RANGE: Final = (0.84, 1.25)
"""Smallest and largest size that is searched for, in predicted sides."""
_WIDE_SIZE_RANGE: Final = (0.75, 1.35)
"""Smallest and largest size, in predicted sides, for a face that is new or was missed in more than one frame."""
_SCALE_STEP: Final = 1.1
_MAX_FULL_RATE_MISSES: Final = 3
"""After more misses than this a face is searched for in every second frame: its window is large by then,
and the scheduled search covers the place as well."""
_MERGE_DISTANCE: Final = 0.25
"""Hits whose centres are at most this far apart, in sides of the face, belong to one face."""

_Hit = tuple[float, float, float, float]
"""Left, top, width, height in pixels of the frame."""


def redetect(
    cascade: cv2.CascadeClassifier,
    pyramid: ImagePyramid,
    prediction: TrackPrediction,
    taken: Sequence[Box],
    extra_seconds: float = 0.0,
) -> Detection | None:
    """Search for a tracked face in a frame; returns None where it is not found.

    `taken`: boxes of other faces that were found in this frame. `extra_seconds`: as in `FrameEffort`. A single window
    of the cascade is enough, without neighbours: the face is known to exist, and it turns and blurs.
    """
    misses = prediction.misses
    if misses > _MAX_FULL_RATE_MISSES and (misses + prediction.id) % 2:
        return None
    slack = _SLACK + _SLACK_SPEED * prediction.speed + _SLACK_MISS * max(0, misses - 1) + _SLACK_NEW * prediction.new
    slack += _SLACK_PER_SECOND * extra_seconds
    sizes = _WIDE_SIZE_RANGE if prediction.new or misses > 1 or extra_seconds > 0 else _SIZE_RANGE
    found = _merge_nearest(_hits_around(cascade, pyramid, prediction.box, slack, sizes), prediction.box, taken)
    if found is None:
        return None
    box, neighbours = found
    return Detection(box, neighbours, None, prediction.id)


def redetect_candidate(
    cascade: cv2.CascadeClassifier, pyramid: ImagePyramid, box: Box, extra_seconds: float = 0.0
) -> Box | None:
    """Search for a candidate that was found some frames ago at `box`; returns where it is now, or None."""
    slack = _SLACK + _SLACK_NEW + _SLACK_PER_SECOND * extra_seconds
    found = _merge_nearest(_hits_around(cascade, pyramid, box, slack, _WIDE_SIZE_RANGE), box, ())
    return None if found is None else found[0]


def _hits_around(
    cascade: cv2.CascadeClassifier, pyramid: ImagePyramid, predicted: Box, slack: float, size_range: tuple[float, float]
) -> list[_Hit]:
    """Search around a predicted box; `slack` and `size_range` in sides of the box."""
    window = cascade.getOriginalWindowSize()[0]
    side = predicted.width
    reach = side * (0.5 + min(slack, _MAX_SLACK))
    octave = max(0, math.floor(math.log2(side / (_FACE_WINDOWS * window))))
    picture = pyramid.at_octave(octave)
    centre_x, centre_y = (value / 2**octave for value in predicted.centre)
    reach /= 2**octave
    left, top = max(0, round(centre_x - reach)), max(0, round(centre_y - reach))
    region = picture[top : max(0, round(centre_y + reach)), left : max(0, round(centre_x + reach))]
    factor = _FACE_WINDOWS * window * 2**octave / side
    size = (round(region.shape[1] * factor), round(region.shape[0] * factor))
    if min(size) < window:
        return []
    smallest, largest = (round(_FACE_WINDOWS * window * share) for share in size_range)
    resized = cv2.resize(region, size, interpolation=cv2.INTER_LINEAR)
    hits = cascade.detectMultiScale(
        resized, scaleFactor=_SCALE_STEP, minNeighbors=0, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    scale = 2**octave / factor
    return [
        (left * 2**octave + x * scale, top * 2**octave + y * scale, width * scale, height * scale)
        for x, y, width, height in sorted(np.asarray(hits).tolist())
    ]


def _merge_nearest(hits: list[_Hit], predicted: Box, taken: Sequence[Box]) -> tuple[Box, int] | None:
    """Average the hits around the one that is nearest to the prediction, without hits on other faces.

    Returns the box and the number of hits in it.
    """
    predicted_x, predicted_y = predicted.centre
    side = predicted.width
    candidates = []
    for hit in hits:
        x, y = hit[0] + hit[2] / 2, hit[1] + hit[3] / 2
        if not any(box.contains((x, y)) for box in taken):
            distance = math.hypot(x - predicted_x, y - predicted_y) / side + abs(math.log(hit[2] / side))
            candidates.append((distance, x, y, hit))
    if not candidates:
        return None
    _, centre_x, centre_y, _ = min(candidates)
    near = [
        hit
        for _, x, y, hit in candidates
        if abs(x - centre_x) <= _MERGE_DISTANCE * side and abs(y - centre_y) <= _MERGE_DISTANCE * side
    ]
    x, y, width, height = (sum(values) / len(near) for values in zip(*near, strict=True))
    return Box(x, y, width, height), len(near)
