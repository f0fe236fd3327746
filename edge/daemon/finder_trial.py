"""Tries the network of `detector.kind` on a picture with one face: its file may be for something else, or damaged.

Cost: two looks at a picture of 640x480, with YuNet 0.02 s on one x86-64 core.
"""

import logging
from collections.abc import Iterator
from typing import Final

import numpy as np

from edge.daemon.actor_pictures import TEST_FACE, actor_pictures
from edge.vision.detection.finders.face_finder import FaceFinder
from edge.vision.detection.finders.yunet import YuNetFinder
from edge.vision.detection.finders.yunet_file import NAME, SHA256, not_yunet

log = logging.getLogger(__name__)

_SAME_FACE_IOU: Final = 0.5
"""IoU from which a box is the face. YuNet's has 0.92 here, MTCNN's 0.96."""
_SMALLEST_PX: Final = 48.0
_SEARCHED: Final = "happy"


def finder_findings(finder: FaceFinder | None) -> Iterator[str]:
    """Yield a sentence where a network does not find a face; nothing for None, which stands for the cascades."""
    if finder is None:
        return
    picture = actor_pictures()[_SEARCHED]
    faces = finder.find(picture, _SMALLEST_PX)
    there = [face for face in faces if face.box.iou(TEST_FACE) >= _SAME_FACE_IOU]
    if not there or len(faces) > 1 or finder.find(np.full_like(picture, 127), _SMALLEST_PX):
        does = "does not find the face" if not there else "finds more than the face"
        if isinstance(finder, YuNetFinder):
            yield str(not_yunet(finder.path, f"{does} in a test picture that shows one"))
        else:
            yield f'detector.kind is "{finder.name}", which {does} in a test picture that shows one: use "haar"'


def warn_of_unfit_finder(finder: FaceFinder | None) -> None:
    """Log a warning where a network does not find a face. None stands for the cascades.

    Only a file of YuNet is tried that is not the one which was measured: of the others the result is known.
    """
    if isinstance(finder, YuNetFinder) and finder.sha256 != SHA256:
        for sentence in finder_findings(finder):
            log.warning("%s", sentence)


def describe_finder(finder: FaceFinder | None) -> str:
    """Return what a network is, and from which file, for a line of `doctor`; None stands for the cascades."""
    if finder is None:
        return "haar"
    return f"{finder.name} ({finder.path})" if isinstance(finder, YuNetFinder) else finder.name


def other_version(finder: FaceFinder | None) -> str | None:
    """Return a sentence on a file of YuNet that is not the one which the figures were measured with; else None."""
    if not isinstance(finder, YuNetFinder) or finder.sha256 == SHA256:
        return None
    return (
        f"detector.yunet_file is {str(finder.path)!r}, another version of YuNet than {NAME}, with which the figures of "
        "docs/detectors.md were measured: it is used, and may find more or fewer faces"
    )
