"""Finds, loads and runs OpenCV's Haar cascades."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.config.schema import DetectorConfig
from edge.errors import CascadeError
from edge.system.files import expanded
from edge.types import Box, Luma
from edge.vision.pyramid import reduced_to_width

GROUP_EPS: Final = 0.2
"""Relative difference up to which windows are merged, as in OpenCV's own search."""
SEARCH_CASCADE: Final = "haarcascade_frontalface_default.xml"
VERIFICATION_CASCADE: Final = "haarcascade_frontalface_alt.xml"
_SYSTEM_FOLDERS: Final = (Path("/usr/share/opencv4/haarcascades"), Path("/usr/share/opencv/haarcascades"))
"""Folders of Debian's package `opencv-data`."""


def cascade_path(configured: str, default: str) -> Path:
    """Return the path of a cascade file.

    `configured`: a path, or empty for the file named `default` in OpenCV's own folder, else in the
    system's. Raises CascadeError where neither folder has it.
    """
    if configured:
        return expanded(configured)
    opencv_folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    folders = ([Path(opencv_folder)] if opencv_folder else []) + list(_SYSTEM_FOLDERS)
    for folder in folders:
        if (folder / default).is_file():
            return folder / default
    searched = ", ".join(str(folder) for folder in folders)
    msg = f"no {default} in {searched}: install opencv-data with apt, or set detector.cascade to a cascade file"
    raise CascadeError(msg)


def load_cascade(path: Path, key: str) -> cv2.CascadeClassifier:
    """Load a cascade file.

    Raises CascadeError, naming the configuration key and the file, where it is missing or not a cascade.
    """
    if path.is_dir():
        raise CascadeError(f"{key} is {str(path)!r}, but this is a folder: name the file in it")
    if not path.is_file():
        msg = f"{key} is {str(path)!r}, but this file does not exist"
        raise CascadeError(msg)
    try:
        cascade = cv2.CascadeClassifier(str(path))
        usable = not cascade.empty()
    except (cv2.error, SystemError):
        usable = False
    if not usable:
        msg = f"{key} is {str(path)!r}, but this file is not a Haar or LBP cascade (XML, as OpenCV trains it)"
        raise CascadeError(msg)
    return cascade


def windows_of(
    cascade: cv2.CascadeClassifier, picture: Luma, step: float, sizes: tuple[int, int], neighbours: int = 0
) -> list[list[int]]:
    """Return the windows in which a cascade sees a face: left, top, width and height each, sorted.

    `picture`: uint8 (height, width). `step`: ratio between two sizes. `sizes`: smallest and largest side, pixels.
    `neighbours`: as OpenCV's `minNeighbors`; 0 returns all windows, not merged.
    """
    smallest, largest = sizes
    windows = cascade.detectMultiScale(
        picture, scaleFactor=step, minNeighbors=neighbours, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    return sorted(np.asarray(windows).tolist())


def faces_of(
    cascade: cv2.CascadeClassifier, picture: Luma, step: float, sizes: tuple[int, int], neighbours: int
) -> list[tuple[Box, int]]:
    """Return merged windows as boxes of the picture, with the number of windows in each; see `windows_of`."""
    smallest, largest = sizes
    boxes, counts = cascade.detectMultiScale2(
        picture, scaleFactor=step, minNeighbors=neighbours, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    return [
        (Box(*(float(value) for value in corners)), int(count)) for corners, count in zip(boxes, counts, strict=True)
    ]


def face_sizes(shorter_px: int, config: DetectorConfig) -> tuple[int, int]:
    """Return the smallest and the largest face, pixels, of a picture whose shorter side is `shorter_px`."""
    return max(1, round(shorter_px * config.min_face)), max(1, round(shorter_px * config.max_face))


def search_whole_frame(
    cascade: cv2.CascadeClassifier, luma: Luma, config: DetectorConfig, neighbours: int
) -> list[tuple[Box, int]]:
    """Search a grey picture, uint8 (height, width), reduced to `config.search_width_px`.

    `neighbours`: overlapping windows that make a face, as OpenCV's `minNeighbors`. Returns for each face
    its box, in pixels of `luma`, and its number of windows.
    """
    reduced = reduced_to_width(luma, config.search_width_px)
    sizes = face_sizes(min(reduced.shape), config)
    factor = luma.shape[1] / reduced.shape[1]
    found = faces_of(cascade, reduced, config.scale_factor, sizes, neighbours)
    return [(box.scaled(factor), windows) for box, windows in found]
