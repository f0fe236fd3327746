"""Makes the looks of a strong finder: at a candidate, around a lost face, at a part of a frame, at a single picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.config.schema import DetectorConfig
from edge.types import Box, Detection, Luma, TrackPrediction
from edge.vision.classification.preprocess import crop_upright
from edge.vision.detection.finders.face_finder import FaceFinder, FoundFace
from edge.vision.detection.look_plan import LookTile
from edge.vision.detection.smallest_face import smallest_face_px
from edge.vision.turned import TurnedWindow, normalised_roll

_CROP_PX: Final = 96
"""Side of the crop of a look at one face."""
_FACE_PX: Final = 24.0
"""Side of a face in the crop, which reaches 1.5 sides beyond it: a network needs its surroundings. Of 162 faces of the
footage, every second frame of four clips, YuNet verifies all in colour and in grey; at 28 pixels one and four less, at
44 pixels 16 less in colour. MTCNN verifies 82 of 83 at 24 pixels, and takes half of the time of 44."""
_VERIFIED_IOU: Final = 0.35
"""IoU with the candidate from which a found face verifies it, and takes its place."""
_AGAIN_RATIO: Final = 1.6
"""Largest ratio of the sides of a lost face and of what is found."""
_SMALLEST_SHARE: Final = 0.5
"""Smallest face that is looked for in a crop, in sides of the face that is expected."""
_ROLL_NOISE_DEGREES: Final = 12.0
"""A roll by landmarks up to this is 0: upright faces of the footage show up to 11 degrees in a single look."""
_SMALLEST_STILL_PX: Final = 24
"""Window of the search cascade: no smaller face is looked for in a picture of `detector.search_width_px`."""
_BEYOND: Final = 1.25
"""A box that is larger than `detector.max_face` by less than this is one of that size: a face of a whole picture."""
_NEIGHBOURS: Final = 10
"""Stands for the windows of a cascade in the detections of a network."""

Colour = Callable[[], NDArray[np.uint8] | None]


class FinderLooks:
    """Looks at frames with a finder. Not thread-safe; `start_frame` comes before the looks of a frame."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._luma: Luma = np.zeros((1, 1), dtype=np.uint8)
        self._colour: Colour | None = None
        self._picture: NDArray[np.uint8] | None = None
        self._answers: dict[Box, Detection | None] = {}

    @property
    def tile_faces(self) -> float:
        """Side of the largest tile, in smallest faces, for frames like this one; see `FaceFinder.tile_faces`."""
        return self._finder.tile_faces(colour=self._whole().ndim > self._luma.ndim)

    def start_frame(self, luma: Luma, colour: Colour | None) -> None:
        """Set the frame: grey, uint8 (height, width), and what decodes it in colour, where that is possible."""
        self._luma, self._colour = luma, colour
        self._picture = None
        self._answers = {}

    def verify(self, box: Box, roll_degrees: float) -> bool:
        """Return whether there is a face at a box, pixels of the frame, turned by `roll_degrees`.

        The same box is looked at once, whatever the roll: a network finds a face well beside it.
        """
        if box not in self._answers:
            window = _window(box, roll_degrees)
            expected = window.box_from_picture(box)
            faces = [(face.box.iou(expected), face) for face in self._find(window, box)]
            overlap, face = max(faces, key=lambda one: one[0], default=(0.0, None))
            self._answers[box] = None
            if face is not None and overlap >= _VERIFIED_IOU:
                self._answers[box] = _detection(face, window.box_to_picture(face.box), roll_degrees)
        return self._answers[box] is not None

    def corrected(self, detection: Detection) -> Detection:
        """Return a detection as the network has seen it, where the network has verified its box in this frame.

        A cascade's box of a turned head is often off by a third, and then would fail the next verification.
        """
        seen = self._answers.get(detection.box)
        if seen is None:
            return detection
        return replace(detection, box=seen.box, roll_degrees=seen.roll_degrees, turn=seen.turn)

    def find_again(self, track: TrackPrediction, taken: Sequence[Box]) -> Detection | None:
        """Look for a tracked face around its predicted place; returns None where it is not found.

        `taken`: boxes of other faces of this frame.
        """
        window = _window(track.box, track.roll_degrees)
        centre = (window.width / 2, window.height / 2)
        best: tuple[float, FoundFace, Box] | None = None
        for face in self._find(window, track.box):
            box = window.box_to_picture(face.box)
            ratio = box.width / track.box.width
            distance = max(abs(a - b) for a, b in zip(face.box.centre, centre, strict=True)) / _FACE_PX
            if 1 / _AGAIN_RATIO <= ratio <= _AGAIN_RATIO and not any(one.may_match(box) for one in taken):
                best = min(best or (distance, face, box), (distance, face, box), key=lambda one: one[0])
        if best is None:
            return None
        _, face, box = best
        return _detection(face, box, track.roll_degrees, track.id)

    def look_at(self, tile: LookTile) -> list[Detection]:
        """Return the faces in a tile, with boxes in pixels of the frame, without those that its sides cut off."""
        height, width = self._luma.shape
        part = self._whole()[tile.top : tile.bottom, tile.left : tile.right]
        found = []
        for face in self._finder.find(part, tile.smallest_px):
            box = Box(face.box.x + tile.left, face.box.y + tile.top, face.box.width, face.box.height)
            if not tile.cuts(box, width, height):
                found.append(_detection(face, box, 0.0))
        return found

    def _find(self, window: TurnedWindow, box: Box) -> list[FoundFace]:
        margin = (_CROP_PX / _FACE_PX - 1) / 2
        picture = crop_upright(self._whole(), box, margin, (_CROP_PX, _CROP_PX), window.roll_degrees)
        return self._finder.find(picture, _SMALLEST_SHARE * _FACE_PX)

    def _whole(self) -> NDArray[np.uint8]:
        """Return the frame as the finder wants it, decoded once."""
        if self._picture is None:
            colour = self._colour() if self._colour is not None and self._finder.wants_colour else None
            self._picture = self._luma if colour is None else colour
        return self._picture


def _detection(face: FoundFace, box: Box, window_degrees: float, searched_id: int = 0) -> Detection:
    """Return the detection of a face that a network has seen in a turned window; `box`: in pixels of the frame."""
    seen_degrees = 0.0 if abs(face.roll_degrees) <= _ROLL_NOISE_DEGREES else face.roll_degrees
    roll_degrees = normalised_roll(window_degrees + seen_degrees)
    return Detection(
        box, _NEIGHBOURS, verified=True, searched_id=searched_id, roll_degrees=roll_degrees, turn=face.turn
    )


def look_at_still(
    finder: FaceFinder, luma: Luma, colour: Colour | None, found: Sequence[Detection], config: DetectorConfig
) -> list[Detection]:
    """Look at a single picture; returns the faces of the network, and of the cascade those that it has not seen.

    `luma`, `colour`: as in `FinderLooks.start_frame`. `found`: the detections of the cascade. The network's boxes count
    where both have found a face. A face that the cascade alone has found is verified where the second cascade or a
    closer look of the network has verified it.
    """
    looks = FinderLooks(finder)
    looks.start_frame(luma, colour)
    height, width = luma.shape
    largest = config.max_face * min(luma.shape)
    # Not less than a cascade could find in the reduced picture.
    smallest = smallest_face_px(config, luma.shape, _SMALLEST_STILL_PX)
    faces = looks.look_at(LookTile(0, 0, width, height, smallest))
    seen = [face for face in faces if face.box.width <= _BEYOND * largest]
    others = [one for one in found if not any(face.box.may_match(one.box) for face in seen)]
    return seen + [
        one if one.verified else replace(one, verified=looks.verify(one.box, one.roll_degrees)) for one in others
    ]


def _window(box: Box, roll_degrees: float) -> TurnedWindow:
    return TurnedWindow(box.centre, _FACE_PX / box.width, _CROP_PX, _CROP_PX, roll_degrees)
