"""Cuts turned windows out of a picture, so that a tilted face stands upright in them, and maps boxes back.

The roll of a face is the angle by which its upright axis is turned in the picture, in degrees: positive is clockwise
as seen in the picture, 0 is upright.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box


@dataclass(frozen=True, slots=True)
class TurnedWindow:
    """A window of `width` by `height` pixels on a picture, turned clockwise about its centre.

    `centre`: of the window, (x, y) in pixels of the picture. `scale`: pixels of the window for each pixel of the
    picture. `roll_degrees`: angle by which the window is turned, so that a face of this roll is upright in it.
    Coordinates are continuous: the pixel in column 0 reaches from 0 to 1.
    """

    centre: tuple[float, float]
    scale: float
    width: int
    height: int
    roll_degrees: float

    def render(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the window's content, uint8 (height, width[, channels]).

        `picture`: uint8 (h, w[, channels]). Interpolates linearly, so `scale` must be 0.5 or more: reduce the picture
        first where it is less. Outside the picture its edge pixels are repeated.
        """
        across, down = self._axes()
        centre_x, centre_y = self.centre
        half_x, half_y = (self.width - 1) / 2, (self.height - 1) / 2
        matrix = np.array(
            [
                [across[0], down[0], centre_x - 0.5 - across[0] * half_x - down[0] * half_y],
                [across[1], down[1], centre_y - 0.5 - across[1] * half_x - down[1] * half_y],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height)
        return np.asarray(
            cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
        )

    def to_picture(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point (x, y) of the window lies in the picture."""
        across, down = self._axes()
        x, y = point[0] - self.width / 2, point[1] - self.height / 2
        return (
            self.centre[0] + across[0] * x + down[0] * y,
            self.centre[1] + across[1] * x + down[1] * y,
        )

    def from_picture(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point (x, y) of the picture lies in the window: the inverse of `to_picture`."""
        radians = math.radians(self.roll_degrees)
        cosine, sine = math.cos(radians), math.sin(radians)
        x, y = point[0] - self.centre[0], point[1] - self.centre[1]
        return (
            self.width / 2 + self.scale * (cosine * x + sine * y),
            self.height / 2 + self.scale * (cosine * y - sine * x),
        )

    def box_to_picture(self, box: Box) -> Box:
        """Return the upright box in the picture that has the centre and the sides of a box of the window."""
        x, y = self.to_picture(box.centre)
        width, height = box.width / self.scale, box.height / self.scale
        return Box(x - width / 2, y - height / 2, width, height)

    def box_from_picture(self, box: Box) -> Box:
        """Return the box in the window that has the centre and the sides of a box of the picture."""
        x, y = self.from_picture(box.centre)
        width, height = box.width * self.scale, box.height * self.scale
        return Box(x - width / 2, y - height / 2, width, height)

    def _axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the steps in the picture, (x, y), of one pixel to the right and one pixel down in the window."""
        radians = math.radians(self.roll_degrees)
        cosine, sine = math.cos(radians) / self.scale, math.sin(radians) / self.scale
        return (cosine, sine), (-sine, cosine)


def normalised_roll(degrees: float) -> float:
    """Return the same angle between -180 (included) and 180 degrees."""
    return (degrees + 180) % 360 - 180


def turned_size(width: int, height: int, roll_degrees: float) -> tuple[int, int]:
    """Return width and height of the smallest window of that roll that holds a picture of `width` by `height`."""
    radians = math.radians(roll_degrees)
    cosine, sine = abs(math.cos(radians)), abs(math.sin(radians))
    return math.ceil(width * cosine + height * sine - 1e-9), math.ceil(width * sine + height * cosine - 1e-9)
