"""Searches single pictures as hard as a cascade can: with a border, and at all rolls of a tilted head.

A picture has time. A stream is searched by `edge.vision.detection.detector` at a bounded cost instead.
"""

from collections.abc import Sequence
from typing import Final

import cv2

from edge.config.schema import DetectorConfig
from edge.types import Box, Luma
from edge.vision.detection.cascades import face_sizes, faces_of
from edge.vision.detection.verification import Candidate
from edge.vision.pyramid import reduced_to_width
from edge.vision.turned import TurnedWindow, turned_size

STILL_ROLLS: Final = (0.0, -15.0, 15.0, -30.0, 30.0, -45.0, 45.0, -60.0, 60.0)
"""Rolls at which a picture is searched, degrees: a frontal cascade finds a face up to 20 degrees from upright."""
_BORDER: Final = 0.3
"""Border around the picture, in its shorter side, in which its edge pixels are repeated: a cascade cannot see a face
whose surroundings are missing. On 381 portraits, most 350 pixels wide, the cascade found 67.5 % without a border and
88.7 % with it."""
_TURNED_SIZE: Final = 1.5
"""Smallest tilted face, in smallest upright ones. It halves the cost of all rolls: small faces are most of it."""
_SAME_DISTANCE: Final = 0.4
"""Distance of their centres up to which two finds are one face, in sides of the face."""
_SAME_RATIO: Final = 1.6
"""Ratio of their sides up to which they are."""
_UPRIGHT_DEGREES: Final = 12.0
"""Roll from which a face must be found at two neighbouring rolls: turned phantoms mostly are found at one."""
_ROLL_STEP: Final = 15.0


def search_still(cascade: cv2.CascadeClassifier, luma: Luma, config: DetectorConfig) -> list[Candidate]:
    """Search a grey picture, uint8 (height, width), reduced to `config.search_width_px`.

    Returns a candidate for each face, with its box in pixels of `luma`, the most hits at one roll, and its roll.
    """
    reduced = reduced_to_width(luma, config.search_width_px)
    finds = [find for roll in STILL_ROLLS for find in _search_at(cascade, reduced, config, roll)]
    factor = luma.shape[1] / reduced.shape[1]
    merged = [_merged(group) for group in _groups(finds) if _is_credible(group)]
    return [Candidate(one.box.scaled(factor), one.neighbours, one.roll_degrees) for one in merged]


def _search_at(
    cascade: cv2.CascadeClassifier, picture: Luma, config: DetectorConfig, roll_degrees: float
) -> list[Candidate]:
    height, width = picture.shape
    shorter = min(height, width)
    border = round(_BORDER * shorter)
    across, down = turned_size(width, height, roll_degrees)
    window = TurnedWindow((width / 2, height / 2), 1.0, across + 2 * border, down + 2 * border, roll_degrees)
    smallest, largest = face_sizes(shorter, config)
    if roll_degrees:
        smallest = min(largest, round(_TURNED_SIZE * smallest))
    faces = faces_of(cascade, window.render(picture), config.scale_factor, (smallest, largest), config.neighbours)
    frame = Box(0, 0, width, height)
    found = [Candidate(window.box_to_picture(box), windows, roll_degrees) for box, windows in faces]
    return [one for one in found if frame.contains(one.box.centre)]


def _groups(finds: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group the finds that are one face; the strongest find of each group comes first."""
    groups: list[list[Candidate]] = []
    for find in sorted(finds, key=lambda one: (-one.neighbours, abs(one.roll_degrees), one.box.x, one.box.y)):
        group = next((one for one in groups if _is_same(one[0].box, find.box)), None)
        if group is None:
            groups.append([find])
        else:
            group.append(find)
    return groups


def _is_same(one: Box, other: Box) -> bool:
    (x, y), (other_x, other_y) = one.centre, other.centre
    near = max(abs(x - other_x), abs(y - other_y)) <= _SAME_DISTANCE * one.width
    return near and 1 / _SAME_RATIO <= one.width / other.width <= _SAME_RATIO


def _is_credible(group: Sequence[Candidate]) -> bool:
    """Return whether a face is upright, or was found at a neighbouring roll too."""
    best = group[0].roll_degrees
    return abs(best) < _UPRIGHT_DEGREES or any(0 < abs(one.roll_degrees - best) <= _ROLL_STEP for one in group)


def _merged(group: Sequence[Candidate]) -> Candidate:
    """Return the strongest find with the mean roll of it and its neighbours, weighted by their hits."""
    best = group[0]
    near = [one for one in group if abs(one.roll_degrees - best.roll_degrees) <= _ROLL_STEP]
    roll = sum(one.roll_degrees * one.neighbours for one in near) / sum(one.neighbours for one in near)
    return Candidate(best.box, best.neighbours, roll)
