"""Converts the box that a network draws around a face into the square that a frontal face cascade would draw.

The classifier learnt how much of a face a crop shows, and its manifest's `crop_margin` is for boxes of the cascade.
A network's box ends at chin and forehead, and is higher than wide.
"""

import math
from dataclasses import dataclass
from typing import Final

from edge.types import Box


@dataclass(frozen=True, slots=True)
class Framing:
    """How the square lies on a network's box.

    `side`: of the square, in geometric means of the box's width and height, which hardly change when a head tilts.
    `rise`: from the box's centre to the square's, towards the forehead, in sides of the square.
    """

    side: float
    rise: float


YUNET_FRAMING: Final = Framing(1.08, 0.015)
"""Medians against verified boxes of the cascade. 722 faces of FER2013 PublicTest in frames: 1.08 and 0.012 (tenth to
ninetieth percentile 0.96 to 1.19). Footage in colour, three clips, 53 faces: 1.055 to 1.095 and 0.022 to 0.032.
Of 695 PublicTest faces that all three finders found, `normal` reads 88.3 % right in these squares, 87.9 % in those of
MTCNN and 86.9 % in the cascade's own boxes (FER+ majority, int8, ai-edge-litert); with a side of 1.0 or 1.16 it is
87.8 % and 87.6 %."""
MTCNN_FRAMING: Final = Framing(1.08, 0.01)
"""As above. 710 faces: 1.07 and 0.012 (0.94 to 1.18). Footage, 53 faces: 1.083 to 1.092 and -0.008 to 0.016."""


def face_square(box: Box, roll_degrees: float, framing: Framing) -> Box:
    """Return the square for a box, in pixels of the same picture; `roll_degrees`: of the face, clockwise."""
    side = framing.side * math.sqrt(box.width * box.height)
    radians = math.radians(roll_degrees)
    centre_x = box.centre[0] + framing.rise * side * math.sin(radians)
    centre_y = box.centre[1] - framing.rise * side * math.cos(radians)
    return Box(centre_x - side / 2, centre_y - side / 2, side, side)
