"""Chooses the calibration pictures, which show the converter the range of every activation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import CAMERA, augment
from convert.data.fer2013 import FACE_SIDE_PX, LABELS, UNREADABLE_ARCHIVE, load_split, training_rows
from convert.data.labelled_folder import picture_files
from convert.errors import ConvertError
from convert.progress import Tick, no_tick
from convert.runtimes.inputs import Image
from edge.capture.backends.images import IMAGE_SUFFIXES, decode_image
from edge.capture.pictures.foreign import FOREIGN_SUFFIXES
from edge.errors import SourceError

CALIBRATION_IMAGES: Final = 500
"""Number of calibration pictures. TensorFlow recommends a few hundred; twice as many change no scale by more than a per
cent here."""
_SEED: Final = 71
_GREY_DIMENSIONS: Final = 3

Kind = Literal["plain", "camera", "half", "balanced"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True)
class CalibrationSet:
    """Kind and number of the Training faces that calibrate the activations' ranges.

    `kind`: `plain`: unchanged. `camera`: all augmented as by a bad camera. `half`: every second one so.
    `balanced`: unchanged, an equal number of each leading label where there are enough, a seventh of the
    count at most.
    """

    kind: Kind
    count: int

    def __str__(self) -> str:
        """Return the set in the form of the option --sets, such as half-500."""
        return f"{self.kind}-{self.count}"


@dataclass(frozen=True)
class CalibrationImages:
    """Images that calibrate a user's model, and what is known about them.

    `names`: of the expression that each shows, as the folder of the image or FER+ gives it; "" where that is not known.
    `sources`: where each comes from, for the user.
    `unreadable`: a sentence for each image file that was left out.
    """

    images: list[Image]
    names: list[str]
    sources: list[str]
    unreadable: tuple[str, ...] = ()


DEFAULT_SET: Final = CalibrationSet("half", CALIBRATION_IMAGES)


def parse_sets(text: str) -> tuple[CalibrationSet, ...]:
    """Read the option --sets, `KIND-COUNT,...`. Raises ConvertError for anything else."""
    sets: list[CalibrationSet] = []
    for part in text.split(","):
        name, _, count = part.strip().partition("-")
        kind = next((known for known in KINDS if known == name), None)
        if kind is None or not (count.isascii() and count.isdigit()) or not int(count):
            msg = f"--sets must be such as half-500,plain-100 with {', '.join(KINDS)}, not {part.strip()!r}"
            raise ConvertError(msg)
        sets.append(CalibrationSet(kind, int(count)))
    return tuple(sets)


def training_faces(data: Path, calibration: CalibrationSet = DEFAULT_SET) -> list[Image]:
    """Draw FER2013 Training faces, grey (48, 48), always the same; fewer than the set's count where there are."""
    return named_training_faces(data, calibration).images


def named_training_faces(data: Path, calibration: CalibrationSet = DEFAULT_SET) -> CalibrationImages:
    """Draw the faces of `training_faces`, with the label that leads among FER+'s votes, "" where none does.

    Where the data file has no votes, FER2013's own labels take their place.
    """
    split = training_rows(load_split(data, "Training", need_votes=False))
    known = split.leader if split.has_votes else split.original
    rng = np.random.default_rng(_SEED)
    kind, count = calibration.kind, calibration.count
    if kind == "balanced":
        rows = _balanced(known, count, rng)
    else:
        rows = rng.choice(len(split), size=min(count, len(split)), replace=False)
    faces = [split.images[row] for row in rows]
    remainders = {"camera": (0, 1), "half": (1,)}.get(kind, ())
    images = [
        augment(face, FACE_SIDE_PX, CAMERA, rng) if at % 2 in remainders else face for at, face in enumerate(faces)
    ]
    names = [LABELS[leader] if leader >= 0 else "" for leader in known[rows]]
    return CalibrationImages(images, names, [f"FER2013 row {row}" for row in split.rows[rows]])


def _balanced(leaders: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    share = -(-count // len(LABELS))
    drawn = [rng.permutation(np.flatnonzero(leaders == label))[:share] for label in range(len(LABELS))]
    return np.asarray(rng.permutation(np.concatenate(drawn))[:count])


def load_images(
    source: Path,
    count: int = CALIBRATION_IMAGES,
    *,
    largest_px: int | None = None,
    tick: Tick = no_tick,
) -> CalibrationImages:
    """Draw images from a folder of image files or from an .npz or .npy of uint8 (n, h, w[, 3]) in BGR.

    `largest_px`: images of files are reduced until their shorter side has at most as many pixels, because hundreds of
    photographs would not fit into memory. `tick`: is called with the files read and their number.

    Of files in folders within the folder, the name of the outermost one is the name of the expression. Files that
    cannot be read are left out. Raises ConvertError where nothing is left, or where more than half cannot be read, and
    where the source cannot be read.
    """
    rng = np.random.default_rng(_SEED)
    if not source.is_dir():
        array = _read_array(source)
        rows = sorted(rng.permutation(len(array))[:count])
        images = [np.ascontiguousarray(array[at]) for at in rows]
        return CalibrationImages(images, [""] * len(images), [f"{source.name} row {at}" for at in rows])
    # `picture_files` follows no links, but a folder of pictures may be put together of links to folders elsewhere.
    links = (path for path in source.iterdir() if path.is_symlink() and path.is_dir() and path.name[0] != ".")
    folders = [source, *links]
    paths = sorted(path for folder in folders for path in picture_files(folder)[0] if path.is_file())
    if not paths:
        msg = f"calibration source {source} contains no images ({', '.join(sorted(IMAGE_SUFFIXES - FOREIGN_SUFFIXES))})"
        raise ConvertError(msg)
    chosen = [paths[at] for at in sorted(rng.permutation(len(paths))[:count])]
    images, names, sources, unreadable = [], [], [], []
    for at, path in enumerate(chosen):
        tick(at, len(chosen))
        try:
            images.append(_reduced(decode_image(path, colour=True), largest_px))
        except SourceError as error:
            unreadable.append(str(error))
        else:
            inside = path.relative_to(source).parts
            names.append(inside[0] if len(inside) > 1 else "")
            sources.append(str(path))
    if len(unreadable) > len(chosen) / 2:
        count_text = f"{len(unreadable)} of {len(chosen)}"
        msg = f"{count_text} calibration pictures in {source} cannot be read; the first: {unreadable[0]}"
        raise ConvertError(msg)
    return CalibrationImages(images, names, sources, tuple(unreadable))


def _reduced(image: Image, largest_px: int | None) -> Image:
    height, width = image.shape[:2]
    if largest_px is None or min(height, width) <= largest_px:
        return image
    scale = largest_px / min(height, width)
    size = (round(scale * width), round(scale * height))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _read_array(source: Path) -> Image:
    try:
        loaded = np.load(source)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded as file:
                loaded = file["images"] if "images" in file.files else file[file.files[0]]
    except (*UNREADABLE_ARCHIVE, IndexError) as error:
        reason = "a single picture" if source.suffix.lower() in IMAGE_SUFFIXES else error
        msg = f"calibration source {source} is neither a folder of images nor an .npz with an array `images`: {reason}"
        raise ConvertError(msg) from error
    grey = loaded.ndim == _GREY_DIMENSIONS
    colour = loaded.ndim == _GREY_DIMENSIONS + 1 and loaded.shape[-1] == 3  # noqa: PLR2004 - three colours
    if loaded.dtype != np.uint8 or not (grey or colour) or not loaded.size:
        msg = f"calibration source {source} holds {loaded.dtype} {loaded.shape}, not uint8 (n, h, w) or (n, h, w, 3)"
        raise ConvertError(msg)
    return np.asarray(loaded)
