"""Decides whether a face can be read: whether it is large, frontal, inside the frame and sharp enough.

What the network says of other faces is hardly better than a guess, so it is not asked. The limits were chosen on clean
FER2013 PublicTest, on the pictures whose expression most of ten people agree on, with the model `normal` and
ai-edge-litert: a face is read where the network gives the right label on two thirds of such faces (87 % on faces as
they are).
"""

import enum
import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box, Detection, Luma
from edge.vision.classification.preprocess import crop_upright

MIN_SIDE_PX: Final = 14.0
"""Faces reduced to 16, 14, 12 and 10 pixels a side: 73, 68, 63 and 55 % right."""
MAX_TURN: Final = 0.7
"""Largest turn to a side, where it is known; 1 is a profile. Of faces with a turn up to 0.7 (63 degrees) those turned
further are read as well as the others (0.4 to 0.7: 200 faces, 87 % right); beyond, PublicTest has 17 faces. A frontal
cascade, which does not know the turn, finds no face that is turned further."""
MIN_INSIDE: Final = 0.5
"""Share of the face inside the frame. Half of it cut off at the left, the right and the top: 73, 76 and 70 % right."""
MIN_MOUTH_INSIDE: Final = 0.3
"""The same for the lowest two fifths of the face, which show the mouth. A tenth, a fifth, three tenths and two fifths
of the face cut off at the bottom: 85, 81, 63 and 52 % right."""
MIN_SHARPNESS: Final = 0.25
"""Smallest `sharpness`. Of 2,926 faces blurred by different degrees (out of focus, in motion, or of 6 to 48 pixels)
54 % were right below 0.26, 68 % from 0.26 to 0.33, 78 % up to 0.4 and 81 to 90 % above. One of 100 faces of 24 pixels
as they are is below 0.26, and one of 100 larger ones below 0.35."""

_MOUTH_ROWS: Final = 0.4
_GRID: Final = 10
"""Points of the face along each side that are looked up for its share inside the frame."""
_SIDE_PX: Final = 24
"""Side of the picture on which sharpness is measured: what is finer hardly matters to the network (82 % right on faces
of 24 pixels), and most of the noise of a sensor is averaged away."""
_BORDER_PX: Final = 3
"""Border of that picture which is left out: hair and background, and the edge of a frame that was repeated."""
_STEPS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Directions, as (rows, columns)."""
_MIN_CONTRAST: Final = 2.0
"""Standard deviation, grey levels, below which a picture shows no face: that of dark faces is above 5."""


class Obstacle(enum.Enum):
    """Why a face cannot be read."""

    SMALL = enum.auto()
    TURNED = enum.auto()
    OUTSIDE = enum.auto()
    BLURRED = enum.auto()


def obstacle_of_place(
    face: Detection, shape: tuple[int, ...], hidden: NDArray[np.bool_] | None = None
) -> Obstacle | None:
    """Return why a face cannot be read by its size, its turn and its place; None where these are no obstacle.

    `shape`: (height, width, ...) of the frame. `hidden`: as in `Frame`; what a mask hides counts as outside.
    """
    if max(face.box.width, face.box.height) < MIN_SIDE_PX:
        return Obstacle.SMALL
    if face.turn is not None and face.turn > MAX_TURN:
        return Obstacle.TURNED
    inside, mouth_inside = inside_shares(face.box, face.roll_degrees, shape, hidden)
    return Obstacle.OUTSIDE if inside < MIN_INSIDE or mouth_inside < MIN_MOUTH_INSIDE else None


def is_blurred(luma: Luma, face: Detection) -> bool:
    """Return whether a face is too blurred to be read; `luma`: the frame, uint8 (height, width)."""
    return sharpness(luma, face.box, face.roll_degrees) < MIN_SHARPNESS


def inside_shares(
    box: Box, roll_degrees: float, shape: tuple[int, ...], hidden: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Return the share of a face, and of its lowest two fifths, that lies inside a frame of that shape and in no mask.

    `hidden`: as in `Frame`.
    """
    height, width = shape[:2]
    side = max(box.width, box.height)
    centre_x, centre_y = box.centre
    reach = side / 2 * (math.sqrt(2) if roll_degrees else 1.0)
    if hidden is None and min(centre_x, centre_y, width - centre_x, height - centre_y) >= reach:
        return 1.0, 1.0
    along = ((np.arange(_GRID) + 0.5) / _GRID - 0.5) * side
    across, down = along[None, :], along[:, None]
    radians = math.radians(roll_degrees)
    cosine, sine = math.cos(radians), math.sin(radians)
    x = centre_x + cosine * across - sine * down
    y = centre_y + sine * across + cosine * down
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if hidden is not None:
        columns, rows = (np.clip(at, 0, size - 1).astype(np.intp) for at, size in ((x, width), (y, height)))
        inside &= ~hidden[rows, columns]
    mouth = inside[round(_GRID * (1 - _MOUTH_ROWS)) :]
    return float(inside.mean()), float(mouth.mean())


def sharpness(luma: Luma, box: Box, roll_degrees: float = 0.0) -> float:
    """Return how sharp a face is: the weakest detail in any direction, relative to its contrast; 0 is flat.

    Measured on the face at 24 pixels a side: the root mean square of its second differences along a direction, divided
    by the standard deviation of its grey levels. Motion blurs one direction only, so the direction with the weakest
    detail counts. Light and exposure change both alike. Takes some 60 microseconds on one x86-64 core.
    """
    face = crop_upright(luma, box, 0.0, (2 * _SIDE_PX, 2 * _SIDE_PX), roll_degrees)
    return _weakest_detail(np.asarray(cv2.resize(face, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)))


def _weakest_detail(face: NDArray[np.uint8]) -> float:
    grey = face.astype(np.float32)
    first, last = _BORDER_PX, _SIDE_PX - _BORDER_PX
    core = grey[first:last, first:last]
    contrast = float(core.std())
    if contrast < _MIN_CONTRAST:
        return 0.0
    weakest = math.inf
    for row, column in _STEPS:
        before = grey[first - row : last - row, first - column : last - column]
        after = grey[first + row : last + row, first + column : last + column]
        second = core + core - before - after
        weakest = min(weakest, float(np.vdot(second, second)))
    return math.sqrt(weakest / core.size) / contrast
