"""Pictures that show the converter which values occur, and how a picture becomes a network's input."""

from pathlib import Path
from typing import Any, Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import CAMERA, augment
from convert.data.fer2013 import FACE_SIDE_PX, LABELS, UNREADABLE_ARCHIVE, load_split, training_rows
from convert.errors import ConvertError
from edge.manifest import ModelInput

CALIBRATION_IMAGES: Final = 500
"""TensorFlow advises a few hundred; twice as many change no scale by more than a per cent here."""
_SEED: Final = 71
_SUFFIXES: Final = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm"}
_MAX_LEVEL: Final = 255.0
_COLOUR_DIMENSIONS: Final = 3

Picture = NDArray[np.uint8]

Kind = Literal["plain", "camera", "half", "balanced"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def to_network(picture: Picture, spec: ModelInput) -> NDArray[np.float32]:
    """Turn a grey (h, w) or BGR (h, w, 3) uint8 picture into the network's float32 (height, width, channels).

    Resized (by area where it shrinks), colours in the order of `spec`, values 0..255 mapped to its range.
    """
    shrinks = picture.shape[0] > spec.height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(picture, (spec.width, spec.height), interpolation=method))
    if spec.colour == "gray":
        if resized.ndim == _COLOUR_DIMENSIONS:
            resized = np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY))
        resized = resized[..., None]
    elif resized.ndim < _COLOUR_DIMENSIONS:
        resized = np.repeat(resized[..., None], 3, axis=2)
    elif spec.colour == "rgb":
        resized = resized[..., ::-1]
    low, high = spec.value_range
    return np.asarray(resized.astype(np.float32) * ((high - low) / _MAX_LEVEL) + low, dtype=np.float32)


def training_faces(data: Path, count: int = CALIBRATION_IMAGES, kind: Kind = "half") -> list[Picture]:
    """Draw `count` FER2013 Training faces at most, always the same; grey (48, 48).

    `kind`: `plain` as they are; `camera` as a bad camera would show them; `half`: every second one so;
    `balanced` plain, as many of each FER+ majority as there are, up to a seventh of the count.
    """
    split = training_rows(load_split(data, "Training"))
    rng = np.random.default_rng(_SEED)
    if kind == "balanced":
        rows = _balanced(split.leader, count, rng)
    else:
        rows = rng.choice(len(split), size=min(count, len(split)), replace=False)
    faces = [split.images[row] for row in rows]
    spoilt = {"camera": (0, 1), "half": (1,)}.get(kind, ())
    return [augment(face, FACE_SIDE_PX, CAMERA, rng) if at % 2 in spoilt else face for at, face in enumerate(faces)]


def _balanced(leaders: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    share = -(-count // len(LABELS))
    drawn = [rng.permutation(np.flatnonzero(leaders == label))[:share] for label in range(len(LABELS))]
    return np.asarray(rng.permutation(np.concatenate(drawn))[:count])


def given_pictures(source: Path, count: int = CALIBRATION_IMAGES) -> list[Picture]:
    """Draw pictures from a folder of image files or from an .npz/.npy of uint8 (n, h, w[, 3]) in BGR.

    Raises ConvertError where there is none.
    """
    rng = np.random.default_rng(_SEED)
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES)
        chosen = [paths[at] for at in sorted(rng.permutation(len(paths))[:count])]
        pictures = [_read(path) for path in chosen]
    else:
        images = _array(source)
        pictures = [np.ascontiguousarray(images[at]) for at in sorted(rng.permutation(len(images))[:count])]
    if not pictures:
        msg = f"calibration source {source} holds no pictures ({', '.join(sorted(_SUFFIXES))})"
        raise ConvertError(msg)
    return pictures


def _read(path: Path) -> Picture:
    picture: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        msg = f"calibration picture {path} cannot be decoded"
        raise ConvertError(msg)
    return np.asarray(picture, dtype=np.uint8)


def _array(source: Path) -> Picture:
    try:
        loaded = np.load(source)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded as file:
                loaded = file["images"] if "images" in file.files else file[file.files[0]]
    except (*UNREADABLE_ARCHIVE, IndexError) as error:
        msg = f"calibration source {source} is neither a folder of pictures nor an .npz with an array `images`: {error}"
        raise ConvertError(msg) from error
    grey = loaded.ndim == _COLOUR_DIMENSIONS
    colour = loaded.ndim == _COLOUR_DIMENSIONS + 1 and loaded.shape[-1] == 3  # noqa: PLR2004 - three colours
    if loaded.dtype != np.uint8 or not (grey or colour) or not loaded.size:
        msg = f"calibration source {source} holds {loaded.dtype} {loaded.shape}, not uint8 (n, h, w) or (n, h, w, 3)"
        raise ConvertError(msg)
    return np.asarray(loaded)
