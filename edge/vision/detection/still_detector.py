"""Detects faces in single pictures, which have time: verification looks beside the roll of a face too."""

from collections.abc import Iterable
from functools import cached_property

import cv2

from edge.config.schema import DetectorConfig
from edge.types import Detection, Luma
from edge.vision.detection.finder_looks import Colour, look_at_still
from edge.vision.detection.finders.create import create_finder
from edge.vision.detection.finders.face_finder import FaceFinder
from edge.vision.detection.still_search import search_still
from edge.vision.detection.verification import (
    ROLL_OFFSETS,
    STILL_VERIFICATION,
    STREAM_VERIFICATION,
    Candidate,
    FaceVerifier,
    Grade,
)


class StillDetector:
    """Detects faces in single pictures. Not thread-safe."""

    def __init__(self, config: DetectorConfig, cascade: cv2.CascadeClassifier, verifier: FaceVerifier) -> None:
        """`cascade`: searches. `verifier`: holds the second cascade."""
        self._config = config
        self._cascade, self._verifier = cascade, verifier

    @cached_property
    def _finder(self) -> FaceFinder | None:
        """The network of `detector.kind` as it looks at single pictures; None for "haar"."""
        return create_finder(self._config, still=True)

    def detect(self, luma: Luma, colour: Colour | None = None) -> list[Detection]:
        """Search one grey picture, uint8 (height, width), and verify each face found in it.

        `colour`: decodes it in colour, as `Frame.in_colour`. Returns verified and unverified faces, largest first, with
        boxes in pixels of `luma`. Raises DetectorError where the network of `detector.kind` cannot be loaded.
        """
        found = [
            Detection(one.box, one.neighbours, _verify(self._verifier, luma, one), roll_degrees=one.roll_degrees)
            for one in search_still(self._cascade, luma, self._config)
        ]
        if self._finder is not None:
            found = look_at_still(self._finder, luma, colour, found, self._config)
        return ordered(found)


def ordered(detections: Iterable[Detection]) -> list[Detection]:
    """Sort by size, then place: a replay gives the same tracks, whatever the order in which OpenCV merges."""
    return sorted(detections, key=lambda detection: (-detection.box.width, detection.box.x, detection.box.y))


def _verify(verifier: FaceVerifier, luma: Luma, candidate: Candidate) -> bool:
    """Verify a face at its roll, a weak one at another size too, and beside its roll, where it must not be weak."""
    box, roll_degrees = candidate.box, candidate.roll_degrees
    grade = verifier.grade(luma, box, STILL_VERIFICATION, roll_degrees)
    if grade is Grade.WEAK and verifier.verify(luma, box, STREAM_VERIFICATION, roll_degrees):
        return True
    return grade is Grade.STRONG or any(
        verifier.grade(luma, box, STILL_VERIFICATION, roll_degrees + offset) is Grade.STRONG for offset in ROLL_OFFSETS
    )
