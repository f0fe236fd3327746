"""The scripted actor: one composite face per emotion, the average of many people and so of nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.actor.align import EyeFinder, Face, Faces, by_eyes, elastic_mean, similarity
from convert.data.fer2013 import FACE_SIDE_PX, LABELS, Split, labelled, load_split
from convert.errors import ConvertError
from convert.files import write_atomically
from convert.quantization.calibration import to_network
from convert.runtimes.keras_model import FloatModel
from edge.config import DetectorConfig
from edge.detector import Detector
from edge.manifest import ModelInput
from edge.preprocess import crop

FEWEST_FACES: Final = 25
"""A composite of fewer people begins to look like one of them."""
_GROUP_SIZES: Final = (25, 32, 40)
_NEIGHBOURS: Final = 28
_SEEDS: Final = 16
_SAME_PHOTO: Final = 0.7
"""Correlation above which two aligned faces are one photograph (FER2013 holds many in several crops)."""
_AGREEMENT: Final = {"angry": 0.8, "disgust": 0.5, "fear": 0.6, "happy": 0.95, "neutral": 0.9, "sad": 0.8}
_USUAL_AGREEMENT: Final = 0.8
"""Share of ten people who chose the label. Disgust and fear have to take what there is: 14 Training
images of disgust reach eight votes, and half of the 88 of fear are crops of a few photographs."""
_CANDIDATES: Final = 160
_MOST_CONSIDERED: Final = 1200
_SEED: Final = 17
SIDES_PX: Final = (150, 200, 260)
"""Sizes at which a composite must be found in a frame and read."""
_FRAME: Final = (360, 480)
_GREY: Final = 120
_MEAN, _CONTRAST = 122.0, 46.0
"""Brightness and contrast inside the face ellipse, the same for all seven, so that morphs do not flash."""
_SHARPEN: Final = 0.5


@dataclass(frozen=True)
class Composite:
    """One emotion's face: uint8 (48, 48), with what it was made of and what the model made of it.

    `probability`: of its own label, mean over the test sizes, 0 where the cascade missed it.
    """

    label: str
    image: NDArray[np.uint8]
    faces: int
    lowest_agreement: float
    probability: float


def in_frame(face: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Set a (48, 48) face, enlarged and faded out at a soft ellipse, into a grey (360, 480) frame."""
    frame = np.full(_FRAME, _GREY, dtype=np.float32)
    large = cv2.resize(face.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:side_px, 0:side_px] / (side_px - 1) * 2 - 1
    inside = np.clip((1 - np.hypot(rows / 1.05, columns / 0.95)) / 0.15, 0, 1)
    top, left = (_FRAME[0] - side_px) // 2, (_FRAME[1] - side_px) // 2
    area = frame[top : top + side_px, left : left + side_px]
    area += inside * (np.asarray(large) - area)
    return np.clip(frame, 0, 255).astype(np.uint8)


class Reader:
    """Finds faces with the device's detector and reads them with the float model."""

    def __init__(self, model: FloatModel, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        """Load the cascades. Raises CascadeError where they are missing."""
        self._model = model
        colour: Literal["gray", "rgb"] = "gray" if model.channels == 1 else "rgb"
        self.spec = ModelInput(width=model.width, height=model.height, colour=colour, value_range=value_range)
        self._detector = Detector(DetectorConfig())

    def read(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (sizes, 7); a row of zeros where not exactly one face is found and confirmed."""
        rows = np.zeros((len(SIDES_PX), len(LABELS)), dtype=np.float32)
        for row, side in zip(rows, SIDES_PX, strict=True):
            frame = in_frame(face, side)
            found = self._detector.detect(frame)
            if len(found) == 1 and found[0].agreed:
                view = crop(frame, found[0].box, 0.0, self.spec.width, self.spec.height)
                row[:] = self._model.predict(to_network(view, self.spec)[None])[0]
        return rows

    def confidence(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        """Return the probability of one label for uint8 (n, 48, 48) faces."""
        inputs = np.stack([to_network(image, self.spec) for image in images])
        return np.asarray(self._model.predict(inputs)[:, label], dtype=np.float32)


def to_picture(mean: Face) -> NDArray[np.uint8]:
    """Reduce a normalised mean face to uint8 (48, 48), slightly sharpened."""
    small = np.asarray(cv2.resize(mean, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_AREA))
    sharp = small + _SHARPEN * (small - np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5)))
    return np.asarray(np.clip(sharp * _CONTRAST + _MEAN, 0, 255), dtype=np.uint8)


def _candidates(split: Split, label: int, reader: Reader) -> tuple[Faces, NDArray[np.float32]]:
    """Return aligned faces of different photographs, most confident first, with their agreement."""
    least = _AGREEMENT.get(LABELS[label], _USUAL_AGREEMENT)
    rows = np.flatnonzero((split.majority == label) & (split.agreement >= least - 1e-6))
    # Of thousands of happy and neutral faces a part will do.
    chosen = split.take(np.random.default_rng(_SEED).permutation(rows)[:_MOST_CONSIDERED])
    order = np.argsort(-reader.confidence(chosen.images, label), kind="stable")
    finder, faces, agreement = EyeFinder(), [], []
    for row in order:
        eyes = finder.find(chosen.images[row])
        if eyes is not None:
            faces.append(by_eyes(chosen.images[row], eyes))
            agreement.append(chosen.agreement[row])
        if len(faces) == 2 * _CANDIDATES:
            break
    alike = similarity(np.asarray(faces))
    kept: list[int] = []
    for row in range(len(faces)):
        if not kept or alike[row, kept].max() < _SAME_PHOTO:
            kept.append(row)
    kept = kept[:_CANDIDATES]
    if len(kept) < FEWEST_FACES:
        msg = f"only {len(kept)} different faces of {LABELS[label]} can be aligned; {FEWEST_FACES} are needed"
        raise ConvertError(msg)
    return np.asarray(faces)[kept], np.asarray(agreement)[kept]


def _groups(faces: Faces) -> list[NDArray[np.int64]]:
    """Return groups worth averaging: the most confident faces, and those most like each of the first few."""
    groups = [np.arange(size) for size in _GROUP_SIZES if size <= len(faces)]
    if len(faces) > _NEIGHBOURS:
        alike = similarity(faces)
        groups += [np.sort(np.argsort(-alike[seed], kind="stable")[:_NEIGHBOURS]) for seed in range(_SEEDS)]
    return groups


def composite(split: Split, label: int, reader: Reader) -> Composite:
    """Make one emotion's face: of all groups, the average that is found and read best."""
    faces, agreement = _candidates(split, label, reader)
    best: Composite | None = None
    for group in _groups(faces):
        picture = to_picture(elastic_mean(faces[group]))
        probability = float(reader.read(picture)[:, label].mean())
        if best is None or probability > best.probability:
            best = Composite(LABELS[label], picture, len(group), float(agreement[group].min()), probability)
    assert best is not None  # noqa: S101 - FEWEST_FACES is the smallest group size
    return best


def make_actor(data: Path, model: FloatModel, say: Callable[[str], None]) -> list[Composite]:
    """Make all seven composites from FER2013's Training faces, in the order of `LABELS`."""
    split = labelled(load_split(data, "Training"))
    reader = Reader(model)
    composites = []
    for label in range(len(LABELS)):
        made = composite(split, label, reader)
        say(
            f"{made.label}: {made.faces} faces, each by at least {10 * made.lowest_agreement:.0f} of 10 people; "
            f"read as {made.label} with {made.probability:.2f}"
        )
        composites.append(made)
    return composites


def strip(composites: list[Composite]) -> NDArray[np.uint8]:
    """Lay the composites side by side: uint8 (48, 336)."""
    return np.concatenate([made.image for made in composites], axis=1)


def write_strip(composites: list[Composite], path: Path) -> None:
    """Write the strip as a PNG. Raises OSError where that fails."""
    _, content = cv2.imencode(".png", strip(composites), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, content.tobytes())
