"""Tries the cascades on pictures that show one face: a cascade of eyes, bodies or profiles loads like any other.

Cost: one search of a picture and eleven verifications, 0.07 s on one x86-64 core, beside the pictures.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Final

from edge.config.schema import DetectorConfig
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures
from edge.types import Box
from edge.vision.detection.cascades import (
    SEARCH_CASCADE,
    VERIFICATION_CASCADE,
    cascade_path,
    load_cascade,
    search_whole_frame,
)
from edge.vision.detection.verification import NO_VERIFICATION, STREAM_VERIFICATION, FaceVerifier

log = logging.getLogger(__name__)

_SAME_FACE_IOU: Final = 0.5
"""IoU from which a box is the face. OpenCV's frontal cascades reach 0.77 to 0.96 here; eye and smile cascades 0.52 at
most, and with other boxes beside it."""
_SEARCHED: Final = "happy"
_FEWEST_VERIFIED: Final = 5
"""Test faces of seven that the second cascade must verify. OpenCV's frontal cascades verify all, profile and eye 4."""
_LARGEST_WINDOW_PX: Final = 50
"""Largest window of a cascade that fits the crops on which faces are verified."""
_WALL: Final = tuple(Box(x, y, 120.0, 120.0) for x in (20.0, 480.0) for y in (20.0, 330.0))
"""Places of a picture that show no face."""


def cascade_findings(config: DetectorConfig) -> Iterator[str]:
    """Yield a sentence for each cascade that does not find or verify faces.

    Other keys of the detector do not count: a largest size below that of the test face is no fault of the cascade.
    Raises CascadeError where a cascade cannot be loaded.
    """
    path = cascade_path(config.cascade, SEARCH_CASCADE)
    cascade = load_cascade(path, "detector.cascade")
    defaults = DetectorConfig()
    found = [box for box, _ in search_whole_frame(cascade, actor_pictures()[_SEARCHED], defaults, defaults.neighbours)]
    there = any(box.iou(TEST_FACE) >= _SAME_FACE_IOU for box in found)
    if not there or len(found) > 1:
        seen = "no face" if not found else f"{len(found)} faces" if len(found) > 1 else "a face in another place"
        yield (
            f"detector.cascade is {str(path)!r}{_window_note(cascade.getOriginalWindowSize())}, which finds {seen} "
            f"in a test picture that shows one: set it to a cascade of frontal faces, such as {SEARCH_CASCADE}, or "
            "leave it empty"
        )
    yield from _verification_findings(config)


def _verification_findings(config: DetectorConfig) -> Iterator[str]:
    verifier = FaceVerifier(config.confirm_cascade)
    if verifier.cascade is None:
        return
    pictures = actor_pictures()
    verified = sum(verifier.verify(luma, TEST_FACE, STREAM_VERIFICATION) for luma in pictures.values())
    walls = sum(verifier.verify(pictures[_SEARCHED], box, STREAM_VERIFICATION) for box in _WALL)
    if verified >= _FEWEST_VERIFIED and not walls:
        return
    path = cascade_path(config.confirm_cascade, VERIFICATION_CASCADE)
    note = _window_note(verifier.cascade.getOriginalWindowSize())
    does = f"verifies {verified} of {len(pictures)} test faces" + (
        f" and {walls} places without a face" if walls else ""
    )
    yield (
        f"detector.confirm_cascade is {str(path)!r}{note}, which {does}: set it to a cascade of "
        f'frontal faces, such as {VERIFICATION_CASCADE}, leave it empty, or set it to "{NO_VERIFICATION}"'
    )


def _window_note(window: Sequence[int]) -> str:
    """Return what a window says of the cascade, where it is not one of faces: square and small."""
    width, height = window
    if width == height <= _LARGEST_WINDOW_PX:
        return ""
    return f" (trained on objects of {width}x{height} pixels, and faces have 20x20 or 24x24)"


def warn_of_unfit_cascades(config: DetectorConfig) -> None:
    """Log a warning for each configured cascade that does not find or verify faces. Raises CascadeError as above."""
    if config.cascade or config.confirm_cascade not in {"", NO_VERIFICATION}:
        for sentence in cascade_findings(config):
            log.warning("%s", sentence)
