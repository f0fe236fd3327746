"""Detects a known face again: one small window around its predicted place, few sizes, and the roll that it has.

The window is turned by the roll of the face, because a frontal cascade finds a face up to 20 degrees from upright. A
face that is found weakly or not at all is searched for at neighbouring rolls too, so that its roll is followed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge.types import Box, Detection, Luma, TrackPrediction
from edge.vision.detection.cascades import windows_of
from edge.vision.pyramid import ImagePyramid
from edge.vision.turned import TurnedWindow

_FACE_WINDOWS: Final = 1.33
"""Side to which the face is resized, in windows of the cascade: 32 pixels for a window of 24."""
_FINE_WINDOWS: Final = 2.0
"""The same for a face that was not found so: more places and sizes are tried."""
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

ROLL_STEP_DEGREES: Final = 15.0
"""Distance between two rolls that are tried: on 400 faces of FER2013 (Training) the search cascade finds at 15 degrees
from upright 0.82 of those that it finds upright, and at 30 degrees 0.2."""
UPRIGHT_DEGREES: Final = 5.0
"""Rolls up to this count as 0: detection, verification and classification lose nothing by it, and need no turning."""
MAX_ROLL_DEGREES: Final = 60.0
"""Largest roll that is followed: people who stand or sit do not tilt their heads further."""
_ENOUGH_HITS: Final = 3
"""Hits from which a face is not searched for at other rolls."""
_EDGE_MARGIN: Final = 0.05
"""Distance from the edge of the picture, in sides of the face, below which its edge pixels are repeated beyond it: a
cascade does not see a face without its surroundings."""
_PROBE_FRAMES: Final = 2
"""A face that is found weakly is searched for at another roll in each second frame."""
_CHECK_FRAMES: Final = 8
"""A face is searched for at the rolls on both sides in its second frame and in every eighth one, so that its roll is
followed before it is lost."""

_PEAK_GAIN: Final = 1.5
"""Share of the mean roll of the hits at three rolls that is followed: three rolls do not reach the whole peak, and
with 1.5 the built-in actor is followed within 5 degrees at 15 and at 30 (95 % of the frames)."""

_Hit = tuple[float, float, float, float]
"""Left, top, width, height in pixels of the frame."""


@dataclass(frozen=True, slots=True)
class FoundAgain:
    """Where a face is now: its box, the hits that were merged into it, and its roll."""

    box: Box
    neighbours: int
    roll_degrees: float


class Redetector:
    """Searches one frame for faces that are known from earlier ones."""

    def __init__(
        self, cascade: cv2.CascadeClassifier, pyramid: ImagePyramid, extra_seconds: float = 0.0, frame_index: int = 0
    ) -> None:
        """`extra_seconds`: as in `FrameEffort`. `frame_index`: counts the frames of the stream."""
        self._cascade = cascade
        self._window = int(cascade.getOriginalWindowSize()[0])
        self._pyramid = pyramid
        self._extra_seconds = extra_seconds
        self._frame_index = frame_index

    def track(self, prediction: TrackPrediction, taken: Sequence[Box]) -> Detection | None:
        """Search for a tracked face; returns None where it is not found.

        `taken`: boxes of other faces that were found in this frame. A single window of the cascade is enough, without
        neighbours: the face is known to exist, and it turns and blurs.
        """
        misses = prediction.misses
        if misses > _MAX_FULL_RATE_MISSES and (misses + prediction.id) % 2:
            return None
        area = _Area(
            prediction.box,
            _SLACK
            + _SLACK_SPEED * prediction.speed
            + _SLACK_MISS * max(0, misses - 1)
            + _SLACK_NEW * prediction.new
            + _SLACK_PER_SECOND * self._extra_seconds,
            _WIDE_SIZE_RANGE if prediction.new or misses > 1 or self._extra_seconds > 0 else _SIZE_RANGE,
            taken,
        )
        roll = prediction.roll_degrees
        found = self._find(area, roll)
        turn = self._frame_index + prediction.id
        if found is not None and (prediction.new or turn % _CHECK_FRAMES == 0):
            sides = (self._find(area, _limited(roll + step)) for step in (-ROLL_STEP_DEGREES, ROLL_STEP_DEGREES))
            found = _peak(found, *sides)
        elif found is None or found.neighbours < _ENOUGH_HITS:
            side = 1 if (turn // _PROBE_FRAMES + turn // _CHECK_FRAMES) % 2 else -1
            if found is None:
                # More finely, on both sides at once, and further away every second frame.
                step = ROLL_STEP_DEGREES * (1 + misses % 2)
                rolls = (_limited(roll + side * step), _limited(roll - side * step))
                found = _combined(
                    [self._find(area, roll, _FINE_WINDOWS), self._find(area, rolls[0]), self._find(area, rolls[1])]
                )
            elif turn % _PROBE_FRAMES == 0 or not prediction.confirmed:
                found = _combined([found, self._find(area, _limited(roll + side * ROLL_STEP_DEGREES))])
        if found is None:
            return None
        return Detection(found.box, found.neighbours, None, prediction.id, _snapped(found.roll_degrees))

    def candidate(self, box: Box, roll_degrees: float = 0.0) -> FoundAgain | None:
        """Search for a candidate that was found some frames ago at `box`; returns where it is now, or None.

        A candidate that is turned must be found at two neighbouring rolls: a phantom mostly is at one only.
        """
        area = _Area(box, _SLACK + _SLACK_NEW + _SLACK_PER_SECOND * self._extra_seconds, _WIDE_SIZE_RANGE, ())
        if not roll_degrees:
            return self._find(area, 0.0)
        offsets = (-ROLL_STEP_DEGREES, 0.0, ROLL_STEP_DEGREES)
        found = [self._find(area, _limited(roll_degrees + offset)) for offset in offsets]
        if found[1] is None or (found[0] is None and found[2] is None):
            return None
        return _combined(found)

    def _find(self, area: "_Area", roll_degrees: float, windows: float = _FACE_WINDOWS) -> FoundAgain | None:
        """Search an area at a roll; `windows`: side to which the face is resized, in windows of the cascade."""
        return _merge_nearest(self._hits(area, roll_degrees, windows), area, roll_degrees)

    def _hits(self, area: "_Area", roll_degrees: float, windows: float) -> list[_Hit]:
        window, side = self._window, area.box.width
        reach = side * (0.5 + min(area.slack, _MAX_SLACK))
        octave = max(0, math.floor(math.log2(side / (windows * window))))
        picture = self._pyramid.at_octave(octave)
        centre_x, centre_y = (value / 2**octave for value in area.box.centre)
        reach /= 2**octave
        factor = windows * window * 2**octave / side
        face_px = windows * window
        if roll_degrees or _crosses_edge(area.box.scaled(1 / 2**octave), picture.shape):
            length = round(2 * reach * factor)
            if length < window:
                return []
            view = TurnedWindow((centre_x, centre_y), factor, length, length, roll_degrees)
            hits = self._search(view.render(picture), face_px, area.size_range)
            boxes = (view.box_to_picture(Box(*hit)).scaled(2**octave) for hit in hits)
            return [(box.x, box.y, box.width, box.height) for box in boxes]
        left, top = max(0, round(centre_x - reach)), max(0, round(centre_y - reach))
        region = picture[top : max(0, round(centre_y + reach)), left : max(0, round(centre_x + reach))]
        size = (round(region.shape[1] * factor), round(region.shape[0] * factor))
        if min(size) < window:
            return []
        resized = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        scale = 2**octave / factor
        return [
            (left * 2**octave + x * scale, top * 2**octave + y * scale, width * scale, height * scale)
            for x, y, width, height in self._search(resized, face_px, area.size_range)
        ]

    def _search(self, picture: Luma, face_px: float, size_range: tuple[float, float]) -> list[list[int]]:
        """Search a picture in which the face has a side of `face_px` pixels."""
        smallest, largest = (round(face_px * share) for share in size_range)
        return windows_of(self._cascade, picture, _SCALE_STEP, (smallest, largest))


@dataclass(frozen=True, slots=True)
class _Area:
    """Where to search: around a box, by `slack` on each side and for sizes in `size_range`, both in its sides.

    `taken`: boxes of other faces, whose hits do not count.
    """

    box: Box
    slack: float
    size_range: tuple[float, float]
    taken: Sequence[Box]


def _combined(found: Sequence[FoundAgain | None]) -> FoundAgain | None:
    """Return the strongest of the finds with the mean roll of those that lie on it, weighted by their hits."""
    best = _strongest(found)
    if best is None:
        return None
    same = [one for one in found if one is not None and one.box.may_match(best.box)]
    hits = sum(one.neighbours for one in same)
    roll = sum(one.roll_degrees * one.neighbours for one in same) / hits
    return FoundAgain(best.box, best.neighbours, _snapped(roll))


def _peak(middle: FoundAgain, left: FoundAgain | None, right: FoundAgain | None) -> FoundAgain:
    """Return the strongest of the finds at three neighbouring rolls, with the roll around which the hits balance."""
    best = middle
    hits = []
    for side in (left, right):
        same = side is not None and side.box.may_match(middle.box)
        hits.append(side.neighbours if side is not None and same else 0)
        if side is not None and same and side.neighbours > best.neighbours:
            best = side
    steps = _PEAK_GAIN * (hits[1] - hits[0]) / (hits[0] + middle.neighbours + hits[1])
    roll = middle.roll_degrees + ROLL_STEP_DEGREES * min(1.0, max(-1.0, steps))
    return FoundAgain(best.box, best.neighbours, _snapped(_limited(roll)))


def _strongest(found: Sequence[FoundAgain | None]) -> FoundAgain | None:
    return max((one for one in found if one is not None), key=lambda one: one.neighbours, default=None)


def _limited(roll_degrees: float) -> float:
    return min(MAX_ROLL_DEGREES, max(-MAX_ROLL_DEGREES, roll_degrees))


def _snapped(roll_degrees: float) -> float:
    return 0.0 if abs(roll_degrees) < UPRIGHT_DEGREES else roll_degrees


def _crosses_edge(box: Box, shape: tuple[int, ...]) -> bool:
    """Return whether a face of that box, or of one a little larger, reaches beyond the picture."""
    margin = _EDGE_MARGIN * box.width
    height, width = shape[:2]
    return (
        box.x < margin or box.y < margin or box.x + box.width > width - margin or box.y + box.height > height - margin
    )


def _merge_nearest(hits: list[_Hit], area: _Area, roll_degrees: float) -> FoundAgain | None:
    """Average the hits around the one that is nearest to the prediction, without hits on other faces."""
    predicted_x, predicted_y = area.box.centre
    side = area.box.width
    candidates = []
    for hit in hits:
        x, y = hit[0] + hit[2] / 2, hit[1] + hit[3] / 2
        if not any(box.contains((x, y)) for box in area.taken):
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
    return FoundAgain(Box(x, y, width, height), len(near), roll_degrees)
