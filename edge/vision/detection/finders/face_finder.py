"""Defines what every face finder gives: faces with a box, a score, a roll and how far they are turned away.

A finder looks at one picture and knows nothing of the frames before it. What is looked at in which frame, and what
becomes of the faces, is decided elsewhere.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box

_COLOUR_DIMENSIONS: Final = 3


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face in a picture.

    `box`: a square in pixels of the picture, framed as OpenCV's frontal face cascade frames a face, so that every crop
    of it fits the network; it may reach beyond the picture. `score`: 0 to 1, comparable within one finder only.
    `roll_degrees`: clockwise in the picture, -180 to 180; 0 is upright. `turn`: how far the face is turned to its left
    or right, from 0 (frontal) to 1 (profile), and 0.5 is about 45 degrees; None where the finder has no landmarks.
    """

    box: Box
    score: float
    roll_degrees: float
    turn: float | None


class FaceFinder(Protocol):
    """Finds the faces of a picture. Not thread-safe. The same picture gives the same faces."""

    @property
    def name(self) -> str:
        """The value of `detector.kind`."""

    @property
    def wants_colour(self) -> bool:
        """Whether it finds more in colour. It takes grey pictures as well."""

    def tile_faces(self, *, colour: bool) -> float:
        """Return the side of the largest picture, in smallest faces, whose look costs about as much as a frame."""

    def find(self, picture: NDArray[np.uint8], smallest_px: float) -> list[FoundFace]:
        """Return the faces of a picture, best score first.

        `picture`: uint8, grey (height, width) or BGR (height, width, 3). `smallest_px`: side of the smallest face that
        is returned, pixels; the larger it is, the less a look costs.
        """


def as_bgr(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with three channels, uint8 (height, width, 3): BGR as it is, grey in each of them."""
    if picture.ndim == _COLOUR_DIMENSIONS:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def reduced(picture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Return a picture reduced by a factor of at most 1, at least one pixel a side; with 1 it is returned as it is."""
    if factor == 1:
        return picture
    size = tuple(max(1, round(side * factor)) for side in (picture.shape[1], picture.shape[0]))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def best_first(faces: list[FoundFace]) -> list[FoundFace]:
    """Sort by score, then place: the order depends on no library."""
    return sorted(faces, key=lambda face: (-face.score, face.box.x, face.box.y, face.box.width))
