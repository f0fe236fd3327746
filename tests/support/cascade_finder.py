"""The cascades behind the interface of the finders, so that one contract holds for them too.

In the product the detector runs the cascades itself: it knows the frames before.
"""

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import DetectorConfig
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path, load_cascade, search_whole_frame
from edge.vision.detection.finders.face_finder import FoundFace, best_first
from edge.vision.detection.verification import STILL_VERIFICATION, FaceVerifier

_TILE_FACES = 14.0
_SMALLEST_SHARE = 0.02
"""Smallest value of `detector.min_face`."""


class CascadeFinder:
    """Finds upright faces with the search cascade. Not thread-safe."""

    name = "haar"
    wants_colour = False

    def __init__(self, config: DetectorConfig) -> None:
        """Load both cascades. Raises CascadeError where one is missing or not a cascade."""
        self._config = config
        self._cascade = load_cascade(cascade_path(config.cascade, SEARCH_CASCADE), "detector.cascade")
        self._verifier = FaceVerifier(config.confirm_cascade)

    def tile_faces(self, *, colour: bool) -> float:  # noqa: ARG002 - it sees no colour
        """Return the side of a tile; see `FaceFinder.tile_faces`. The cascade's own schedule has smaller ones."""
        return _TILE_FACES

    def find(self, picture: NDArray[np.uint8], smallest_px: float) -> list[FoundFace]:
        """Return the faces of a picture; see `FaceFinder.find`. The score grows with the number of windows."""
        luma = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        share = min(1.0, max(_SMALLEST_SHARE, smallest_px / min(luma.shape)))
        config = msgspec.structs.replace(self._config, min_face=share)
        found = search_whole_frame(self._cascade, luma, config, config.neighbours)
        faces = [
            FoundFace(box, windows / (windows + config.neighbours + 1), 0.0, None)
            for box, windows in found
            if box.width >= smallest_px and self._verifier.verify(luma, box, STILL_VERIFICATION)
        ]
        return best_first(faces)
