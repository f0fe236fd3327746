"""Makes the frames on which cascades are judged: faces set into frames, by size and roll, and footage without faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import load_split, training_rows, without_duplicates_of
from convert.data.labelled_folder import picture_files, printable
from convert.errors import ConvertError, os_error_text
from convert.evaluation.face_frames import embed_in_frame
from edge.capture.backends.images import decode_image
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.errors import EdgeError, SourceError
from edge.types import Box, Luma

SPLIT: Final = "PublicTest"
"""Training is left to whoever trains a cascade, and PrivateTest judges finished models only."""
_SEED: Final = 17
_SMALLEST_PICTURE_PX: Final = 24
"""Smallest side of a face picture: the window of most cascades of faces."""
_LARGEST_FACE_PX: Final = 240
"""Side to which larger face pictures are reduced when they are read: twice the largest face of a frame."""
_BLOCK_FRAMES: Final = 10
"""Judged frames of one file that count as one observation: what a cascade takes for a face stays for seconds."""


@dataclass(frozen=True)
class Condition:
    """How faces are shown: `side_px` of the face picture in a frame of 320x240, and its roll in degrees.

    Every second face is turned the other way.
    """

    side_px: int
    roll_degrees: float = 0.0

    @property
    def name(self) -> str:
        """Return its name in tables."""
        return f"{self.side_px} px" + (f", {self.roll_degrees:g} deg" if self.roll_degrees else "")


CONDITIONS: Final = (
    Condition(36),
    Condition(60),
    Condition(120),
    Condition(60, 15.0),
    Condition(60, 30.0),
)
"""From just above the smallest face that the device searches for in such a frame (24 pixels; the box of a face is some
0.8 of a FER2013 picture) to a face that fills half of its height. Rolls: that to which a frontal cascade finds most
faces, and one at which the device's second search takes over."""


@dataclass(frozen=True)
class Faces:
    """Square grey pictures of one face each, uint8 (side, side), and where they are from, for the result.

    `notes`: sentences on what was left out.
    """

    images: Sequence[NDArray[np.uint8]]
    origin: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FootageFrame:
    """One grey frame, uint8 (height, width), and the number of the block of frames that counts as one observation."""

    luma: Luma
    block: int


def faces_of_fer2013(folder: Path, limit: int) -> Faces:
    """Draw faces of PublicTest that are not in Training too. Raises ConvertError for a file that is not the archive."""
    split = load_split(folder, SPLIT, need_votes=False)
    clean = training_rows(without_duplicates_of(split, load_split(folder, "Training", need_votes=False)))
    images = list(clean.images[_drawn(len(clean), limit)])
    return Faces(images, f"FER2013's {SPLIT}, without what is in Training too, drawn from {len(clean):,}")


def faces_of_folder(folder: Path, limit: int) -> Faces:
    """Read pictures that each show one face, cut as FER2013's are; of one that is not square its centre counts.

    Raises ConvertError where there is none that can be used. One that cannot be read is left out, with a note.
    """
    try:
        paths, _ = picture_files(folder)
    except OSError as error:
        msg = f"--pictures {os_error_text(error, 'read', folder)}; it must be a folder of pictures of faces"
        raise ConvertError(msg) from error
    images, notes = [], []
    for at in _drawn(len(paths), limit):
        try:
            images.append(_square(decode_image(paths[at], colour=False), paths[at]))
        except (ConvertError, EdgeError) as error:
            notes.append(f"left out: {printable(str(error))}")
    if not images:
        reason = f"{len(paths)} pictures, none of which can be used ({notes[0]})" if notes else "no picture"
        msg = f"--pictures {folder} contains {reason}: it needs pictures that each show one face and little else"
        raise ConvertError(msg)
    return Faces(images, f"{len(paths):,} pictures in {printable(folder)}", tuple(notes))


def _drawn(count: int, limit: int) -> list[int]:
    return sorted(np.random.default_rng(_SEED).permutation(count)[:limit].tolist())


def _square(luma: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    height, width = luma.shape
    side = min(height, width)
    if side < _SMALLEST_PICTURE_PX:
        msg = f"{path} has {width}x{height} pixels, and a face needs {_SMALLEST_PICTURE_PX} at least"
        raise ConvertError(msg)
    top, left = (height - side) // 2, (width - side) // 2
    centre = luma[top : top + side, left : left + side]
    if side <= _LARGEST_FACE_PX:
        return centre
    size = (_LARGEST_FACE_PX, _LARGEST_FACE_PX)
    return np.asarray(cv2.resize(centre, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def set_into_frame(face: NDArray[np.uint8], row: int, condition: Condition) -> tuple[Luma, Box]:
    """Return a frame, uint8 (240, 320), that shows a face in a condition, and the face's box in it.

    `row`: number of the face, from which its place and the direction of its roll follow.
    """
    frame, place = embed_in_frame(face, np.random.default_rng((_SEED, row)), condition.side_px)
    if not condition.roll_degrees:
        return frame, place
    # OpenCV turns counter-clockwise, and a roll is positive clockwise.
    degrees = condition.roll_degrees if row % 2 else -condition.roll_degrees
    matrix = cv2.getRotationMatrix2D(place.centre, degrees, 1.0)
    size = (frame.shape[1], frame.shape[0])
    turned = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, dtype=np.uint8), place


def footage_files(places: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Return the files that --footage names: videos and pictures, or those directly in a folder, without hidden ones.

    Files of a folder that cannot be played are left out: the second list has a sentence for each. Raises ConvertError
    for a place that does not exist, a file that cannot be played, and a folder without one that can.
    """
    files: list[Path] = []
    left_out: list[str] = []
    for place in places:
        found, failed = [], []
        for path in _files_in(place):
            try:
                next(footage_frames(path, 1))
                found.append(path)
            except (SourceError, StopIteration) as error:
                failed.append(printable(str(error) or f"{path} has no frame"))
        if not found:
            reason = f"{place} contains no file that can be played: {failed[0]}" if place.is_dir() else failed[0]
            msg = f"--footage {reason}"
            raise ConvertError(msg)
        files += found
        left_out += failed
    return files, left_out


def _files_in(place: Path) -> list[Path]:
    try:
        place.stat()
        if not place.is_dir():
            return [place]
        found = sorted(path for path in place.iterdir() if path.is_file() and path.name[0] != ".")
    except OSError as error:
        msg = f"--footage {os_error_text(error, 'read', place)}; it must be a video, a picture or a folder of them"
        raise ConvertError(msg) from error
    if not found:
        msg = f"--footage {place} contains no file: it needs videos or pictures that show no face"
        raise ConvertError(msg)
    return found


def footage_frames(path: Path, every: int, first_block: int = 0) -> Iterator[FootageFrame]:
    """Decode every n-th frame of a file. Raises SourceError for one that is neither a video nor a picture."""
    source = create_source(str(path.absolute()), SourceOptions())
    source.open()
    try:
        number = 0
        while (frame := source.read()) is not None:
            if number % every == 0:
                yield FootageFrame(frame.luma, first_block + number // every // _BLOCK_FRAMES)
            number += 1
    finally:
        source.close()


def all_footage_frames(files: Sequence[Path], every: int) -> Iterator[FootageFrame]:
    """Decode every n-th frame of all files; no block holds frames of two."""
    block = -1
    for path in files:
        for frame in footage_frames(path, every, block + 1):
            block = frame.block
            yield frame
