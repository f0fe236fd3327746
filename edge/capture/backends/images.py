"""Image files as a source: one file, several, or a folder."""

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.geometry import picture_geometry, upright
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.errors import SourceError
from edge.logs.native import silence_opencv
from edge.types import Frame

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})

DEFAULT_FPS = 1.0
"""Images per second where `fps` is 0: one second suits unrelated images; a sequence needs `fps`."""


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"(\d+)", str(path).casefold())
    # Each part is (kind, number, text), so that a number and a text can be compared.
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly in `folder`, in natural order, without hidden files.

    Raises `SourceError` where there is none.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    except OSError as error:
        message = f"Cannot list the folder {folder}: {error.strerror}"
        raise SourceError(message) from error
    if not found:
        message = f"No image in the folder {folder}: it needs at least one of {', '.join(sorted(IMAGE_SUFFIXES))}"
        raise SourceError(message)
    return sorted(found, key=natural_key)


def decode_image(path: Path, *, colour: bool) -> NDArray[np.uint8]:
    """Decode one image: uint8 (height, width, 3) BGR with `colour`, else grey (height, width).

    The EXIF orientation is applied. Raises `SourceError` where the file cannot be read or decoded.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        message = f"Cannot read the image {path}: {error.strerror}"
        raise SourceError(message) from error
    if not data.size:
        message = f"The image {path} is empty (0 bytes)"
        raise SourceError(message)
    try:
        flags = cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE
        image = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None  # for instance: more pixels than OpenCV decodes
    if image is None:
        message = f"{path} is not an image that can be decoded: it must be a complete PNG, JPEG, BMP, WebP or TIFF"
        raise SourceError(message)
    return upright(np.asarray(image, np.uint8), picture_geometry(data.tobytes()))


class ImagesSource:
    """Gives each image once, at `fps` of the options (1 a second where that is 0); finite."""

    live = False

    def __init__(self, uri: str, paths: Sequence[Path], options: SourceOptions) -> None:
        self.uri = uri
        self._paths = tuple(paths)
        self._options = options
        self._fps = options.config.fps or DEFAULT_FPS
        self._number = 0
        self._first: NDArray[np.uint8] | None = None
        self._open = False

    def open(self) -> None:
        """Decode the first image, so that a file that is not an image is reported before the pipeline starts."""
        silence_opencv()
        self._first = decode_image(self._paths[0], colour=self._options.colour)
        self._open = True

    def read(self) -> Frame | None:
        """Decode the next image; returns None after the last."""
        if not self._open:
            message = "read() of an images source that is not open"
            raise RuntimeError(message)
        if self._number >= len(self._paths):
            return None
        image, self._first = self._first, None
        if image is None:
            image = decode_image(self._paths[self._number], colour=self._options.colour)
        frame = frame_from_bgr(self._number, self._number / self._fps, image, self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Drop the decoded first image; no file is open between two reads."""
        self._open = False
        self._first = None
