"""Image files as a source: one file, several, or a folder."""

import logging
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.capture.pictures.decode import decode_file_content
from edge.capture.pictures.foreign import FOREIGN_SUFFIXES, name_foreign
from edge.capture.pictures.header import NotAnImage, is_picture
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.errors import SourceError, SourceIncompleteError
from edge.types import Frame

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp", *FOREIGN_SUFFIXES}
)
"""Suffixes of pictures. Those of formats that are not supported are among them, so that their files are named."""

_SUPPORTED: Final = "a PNG, JPEG, WebP, BMP, TIFF, PBM, PGM or PPM"

DEFAULT_FPS = 1.0
"""Images per second where `fps` is 0: one second suits unrelated images; a sequence needs `fps`."""

_MAX_FILE_BYTES: Final = 1 << 30
"""Largest file that is read. The largest picture that is decoded, 120 million pixels of 48 bits, has 0.7 GB."""
_MAX_NAMED: Final = 5
"""Maximum number of unreadable files that one message names; the log has a line for each."""


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"(\d+)", str(path).casefold())
    # Each part is (kind, number, text), so that a number and a text can be compared.
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def images_in(folder: Path) -> list[Path]:
    """Return what is named as an image directly in `folder`, in natural order, without hidden files.

    Raises `SourceError` where there is none.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    except OSError as error:
        message = f"Cannot list the folder {folder}: {error.strerror}"
        raise SourceError(message) from error
    if not found:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES - FOREIGN_SUFFIXES))
        message = f"No image in the folder {folder}: it needs at least one of {kinds}"
        raise SourceError(message)
    return sorted(found, key=natural_key)


def decode_image(path: Path, *, colour: bool) -> NDArray[np.uint8]:
    """Decode one image: uint8 (height, width, 3) BGR with `colour`, else grey (height, width).

    The EXIF orientation is applied. Logs a warning where parts of the image are damaged. Raises `SourceError`, which
    names the file, where it cannot be read or decoded.
    """
    return _decode(path, colour=colour)[0]


def _decode(path: Path, *, colour: bool) -> tuple[NDArray[np.uint8], bytes]:
    """Decode one image as `decode_image` does; returns the content of its file too."""
    data = _content_of(path)
    if not is_picture(data) and name_foreign(data) is None:
        message = f"{path} is not an image: it must be {_SUPPORTED}"
        raise SourceError(message)
    try:
        decoded = decode_file_content(data, colour=colour)
    except NotAnImage as error:
        message = f"The image {path} cannot be used: {error}"
        raise SourceError(message) from error
    if decoded.damage:
        log.warning("the image %s is damaged, so that parts of it may be wrong: %s", path, decoded.damage)
    return decoded.image, data


def _frame(number: int, seconds: float, decoded: tuple[NDArray[np.uint8], bytes], options: SourceOptions) -> Frame:
    """Make the frame of an image, whose colour can be decoded later."""
    image, data = decoded
    return frame_from_bgr(number, seconds, image, options, lambda: decode_file_content(data, colour=True).image)


def _content_of(path: Path) -> bytes:
    try:
        status = path.stat()
        # Reading a pipe or a device could wait for ever.
        if not stat.S_ISREG(status.st_mode):
            message = f"{path} is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no regular file'}, not an image"
            raise SourceError(message)
        if status.st_size > _MAX_FILE_BYTES:
            message = f"The image {path} has {status.st_size / 1e9:.1f} GB, and at most 1 GB is read: make it smaller"
            raise SourceError(message)
        if not status.st_size:
            message = f"The image {path} is empty (0 bytes)"
            raise SourceError(message)
        return path.read_bytes()
    except OSError as error:
        message = f"Cannot read the image {path}: {error.strerror}"
        raise SourceError(message) from error


def read_picture(path: Path, options: SourceOptions) -> Frame:
    """Return one image file as a frame. Raises `SourceError` as `decode_image` does."""
    return _frame(0, 0.0, _decode(path, colour=options.colour), options)


class ImagesSource:
    """Gives each image once, at `fps` of the options (1 a second where that is 0); finite.

    An image that cannot be read is logged and passed over; those after it keep their times. At the end of a list with
    such images `read` raises `SourceIncompleteError`, which names them.
    """

    live = False

    def __init__(self, uri: str, paths: Sequence[Path], options: SourceOptions) -> None:
        self.uri = uri
        self._paths = tuple(paths)
        self._options = options
        self._fps = options.config.fps or DEFAULT_FPS
        self._place = 0
        self._number = 0
        self._first: tuple[int, tuple[NDArray[np.uint8], bytes]] | None = None
        self._first_place = 0
        self._unreadable: list[Path] = []
        self._open = False

    def open(self) -> None:
        """Decode the first image that can be decoded; where none can, that is reported before the pipeline starts."""
        self._first = self._decode_next()
        if self._first is None:
            message = (
                f"None of the {len(self._paths)} images of {self.uri} can be read; the log names the reason of each"
            )
            raise SourceError(message)
        self._first_place = self._first[0]
        self._open = True

    def read(self) -> Frame | None:
        """Decode the next image; returns None after the last.

        Raises `SourceIncompleteError` instead, once, where images could not be read.
        """
        if not self._open:
            message = "read() of an images source that is not open"
            raise RuntimeError(message)
        decoded, self._first = self._first or self._decode_next(), None
        if decoded is None:
            self._report_unreadable()
            return None
        place, image = decoded
        frame = _frame(self._number, (place - self._first_place) / self._fps, image, self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Drop the decoded first image; no file is open between two reads."""
        self._open = False
        self._first = None

    def _decode_next(self) -> tuple[int, tuple[NDArray[np.uint8], bytes]] | None:
        """Return the next image that can be decoded, with its place in the list; None after the last.

        Raises `SourceError` where the only image cannot be decoded.
        """
        while self._place < len(self._paths):
            place, path = self._place, self._paths[self._place]
            self._place += 1
            try:
                return place, _decode(path, colour=self._options.colour)
            except SourceError as error:
                if len(self._paths) == 1:
                    raise
                log.warning("%s; it is left out", error)
                self._unreadable.append(path)
        return None

    def _report_unreadable(self) -> None:
        unreadable, self._unreadable = self._unreadable, []
        if unreadable:
            names = ", ".join(str(path) for path in unreadable[:_MAX_NAMED])
            more = f" and {len(unreadable) - _MAX_NAMED} more" if len(unreadable) > _MAX_NAMED else ""
            message = (
                f"{len(unreadable)} of {len(self._paths)} images could not be read and were left out: {names}{more}"
            )
            raise SourceIncompleteError(message)
