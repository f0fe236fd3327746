"""Finds faces: a Haar cascade searches, a second one must agree before a face may be announced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import DetectorConfig
from edge.errors import CascadeError
from edge.records import Box, Detection, Luma

SEARCH_CASCADE: Final = "haarcascade_frontalface_default.xml"
CONFIRM_CASCADE: Final = "haarcascade_frontalface_alt.xml"
NO_CONFIRMATION: Final = "none"
_SYSTEM_FOLDERS: Final = (Path("/usr/share/opencv4/haarcascades"), Path("/usr/share/opencv/haarcascades"))
"""Where Debian's `opencv-data` puts them."""

_CONFIRM_SIDE_PX: Final = 60
"""Size to which a face is brought for the second look: small enough to cost 2 ms, large enough that
the 20-pixel window of the cascade fits in many ways."""
_CONFIRM_MARGIN: Final = 0.25
_CONFIRM_NEIGHBOURS: Final = 3
"""On the footage (every second frame, 480 pixels wide) three neighbours agreed with 84 % of the true
faces and none of 54 phantoms in classroom and store-aisle; two let 4 % of the phantoms through."""
_CONFIRM_SIZES: Final = (0.6, 1.4)
_CONFIRM_SCALE: Final = 1.1


def cascade_path(given: str, default: str) -> Path:
    """Return the cascade file: the one given, else OpenCV's own, else the system's.

    Raises CascadeError where there is none.
    """
    if given:
        return Path(given).expanduser()
    own = getattr(getattr(cv2, "data", None), "haarcascades", None)
    folders = ([Path(own)] if own else []) + list(_SYSTEM_FOLDERS)
    for folder in folders:
        if (folder / default).is_file():
            return folder / default
    searched = ", ".join(str(folder) for folder in folders)
    msg = f"no {default} in {searched}: install opencv-data with apt, or set detector.cascade to a cascade file"
    raise CascadeError(msg)


def load_cascade(path: Path, key: str) -> cv2.CascadeClassifier:
    """Load a cascade. Raises CascadeError, naming `key` and the file, for anything else than one."""
    if not path.is_file():
        msg = f"{key} is {str(path)!r}, but there is no such file"
        raise CascadeError(msg)
    try:
        cascade = cv2.CascadeClassifier(str(path))
        usable = not cascade.empty()
    except (cv2.error, SystemError):
        usable = False
    if not usable:
        msg = f"{key} is {str(path)!r}, but that file is no Haar or LBP cascade (XML as OpenCV trains it)"
        raise CascadeError(msg)
    return cascade


class Detector:
    """Searches whole frames. Not for several threads at once."""

    def __init__(self, config: DetectorConfig) -> None:
        """Load both cascades. Raises CascadeError."""
        self._config = config
        self.path = cascade_path(config.cascade, SEARCH_CASCADE)
        self._search = load_cascade(self.path, "detector.cascade")
        self._confirm: cv2.CascadeClassifier | None = None
        if config.confirm_cascade != NO_CONFIRMATION:
            confirm = cascade_path(config.confirm_cascade, CONFIRM_CASCADE)
            self._confirm = load_cascade(confirm, "detector.confirm_cascade")

    def detect(self, luma: Luma) -> list[Detection]:
        """Return the faces of a grey frame, uint8 (height, width), largest first, boxes in its pixels."""
        config = self._config
        height, width = luma.shape
        reduction = min(1.0, config.search_width_px / width)
        reduced: NDArray[np.uint8] = luma
        if reduction < 1:
            size = (config.search_width_px, max(1, round(height * reduction)))
            reduced = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        shorter = min(reduced.shape)
        smallest, largest = (max(1, round(shorter * share)) for share in (config.min_face, config.max_face))
        boxes, hits = self._search.detectMultiScale2(
            reduced,
            scaleFactor=config.scale_factor,
            minNeighbors=config.neighbours,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
        )
        found = []
        for corners, count in zip(boxes, hits, strict=True):
            box = Box(*(float(value) for value in corners)).scaled(width / reduced.shape[1])
            found.append(Detection(box, int(count), self._agrees(luma, box)))
        # A fixed order, so that a replay gives the same tracks whatever order the search merges in.
        return sorted(found, key=lambda one: (-one.box.width, one.box.x, one.box.y))

    def _agrees(self, luma: Luma, box: Box) -> bool:
        """Ask the second cascade whether it sees a face of about this size here."""
        if self._confirm is None:
            return True
        margin = _CONFIRM_MARGIN * box.width
        left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
        right, bottom = round(box.x + box.width + margin), round(box.y + box.height + margin)
        part = luma[top:bottom, left:right]
        factor = _CONFIRM_SIDE_PX / box.width
        size = _at_least_one(part.shape[1] * factor, part.shape[0] * factor)
        interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        part = np.asarray(cv2.resize(part, size, interpolation=interpolation), dtype=np.uint8)
        smallest, largest = (round(_CONFIRM_SIDE_PX * share) for share in _CONFIRM_SIZES)
        seen = self._confirm.detectMultiScale(
            part,
            scaleFactor=_CONFIRM_SCALE,
            minNeighbors=_CONFIRM_NEIGHBOURS,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
        )
        return len(seen) > 0


def _at_least_one(*sizes: float) -> Sequence[int]:
    return [max(1, round(size)) for size in sizes]
