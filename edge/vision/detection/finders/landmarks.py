"""Computes roll, turn and the square of a face from five landmarks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]
"""(x, y) in pixels of the picture."""

_NOSE_DEPTH: Final = 0.8
"""Distance of the nose's tip in front of the eyes, in half distances of the eyes. In the five-point head that is in
common use for head poses (nose at the origin, eye corners at 225, 170, -135, mouth corners at 150, -150, -125) the
nose is 0.82 half distances in front of eyes 165 apart from the middle, and 0.83 in front of the mouth."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points of a face; left and right are as seen in the picture where the face is upright."""

    left_eye: Point
    right_eye: Point
    nose: Point
    left_mouth: Point
    right_mouth: Point

    @property
    def eyes(self) -> Point:
        """The point between the eyes."""
        return _middle(self.left_eye, self.right_eye)

    @property
    def mouth(self) -> Point:
        """The middle of the mouth."""
        return _middle(self.left_mouth, self.right_mouth)

    @property
    def roll_degrees(self) -> float:
        """Roll of the face, clockwise in the picture, -180 to 180; 0 where all points are one.

        The lines of eyes and mouth and the line from eyes to mouth are added up, so that each counts by its length: in
        a profile the eyes are close together, and in a face that looks down the mouth is close to the eyes.
        """
        across_x = self.right_eye[0] - self.left_eye[0] + self.right_mouth[0] - self.left_mouth[0]
        across_y = self.right_eye[1] - self.left_eye[1] + self.right_mouth[1] - self.left_mouth[1]
        down_x, down_y = self.mouth[0] - self.eyes[0], self.mouth[1] - self.eyes[1]
        return math.degrees(math.atan2(across_y - 2 * down_x, across_x + 2 * down_y))

    @property
    def turn(self) -> float:
        """How far the face is turned to a side: 0 frontal, 1 profile.

        The tip of the nose lies in front of the eyes, so it moves by d sin(yaw) when the head turns, while half of the
        distance of the eyes shrinks to cos(yaw). Their ratio gives the yaw; 1 stands for 90 degrees.
        """
        radians = math.radians(self.roll_degrees)
        cosine, sine = math.cos(radians), math.sin(radians)
        middle = _middle(self.eyes, self.mouth)
        off = abs(cosine * (self.nose[0] - middle[0]) + sine * (self.nose[1] - middle[1]))
        eyes = cosine * (self.right_eye[0] - self.left_eye[0]) + sine * (self.right_eye[1] - self.left_eye[1])
        # In a profile the far eye may be placed beyond the near one.
        return math.atan2(off, _NOSE_DEPTH * max(0.0, eyes) / 2) / (math.pi / 2) if off else 0.0

    def scaled(self, factor: float) -> "Landmarks":
        """Return the landmarks for a picture that was resized by a factor."""
        return Landmarks(*((x * factor, y * factor) for x, y in self._points()))

    def _points(self) -> Sequence[Point]:
        return self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth


def _middle(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
