"""Builds one composite face per emotion: the average of at least 25 people, so that it shows no single person."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.actor.align import EyeFinder, Face, Faces, align_by_eyes, elastic_mean, similarity
from convert.data.fer2013 import FACE_SIDE_PX, LABELS, Split, load_split, with_majority
from convert.errors import ConvertError
from convert.files import write_atomically
from convert.progress import PrintLine
from convert.runtimes.inputs import describe_input, to_network
from convert.runtimes.keras_model import FloatModel
from edge.config.schema import DetectorConfig
from edge.vision.classification.preprocess import crop
from edge.vision.detection.detector import Detector

MIN_FACES: Final = 25
"""Minimum number of people in a composite: one of fewer people starts to resemble a single person."""
_GROUP_SIZES: Final = (25, 32, 40)
_NEIGHBOURS: Final = 28
_SEEDS: Final = 16
_SAME_PHOTO: Final = 0.7
"""Correlation above which two aligned faces are the same photograph: FER2013 has several crops of many."""
_MIN_AGREEMENT: Final = {"angry": 0.8, "disgust": 0.5, "fear": 0.6, "happy": 0.95, "neutral": 0.9, "sad": 0.8}
_DEFAULT_AGREEMENT: Final = 0.8
"""Smallest share of ten people who chose the label. Disgust and fear need less, because images are few: 14 Training
images of disgust reach eight votes, and half of the 88 of fear are crops of a few photographs."""
_CANDIDATES: Final = 160
_MAX_CONSIDERED: Final = 1200
_SEED: Final = 17
SIDES_PX: Final = (150, 200, 260)
"""Sizes at which a composite must be detected in a frame and classified."""
_FRAME: Final = (360, 480)
_GREY: Final = 120
_MEAN, _CONTRAST = 122.0, 46.0
"""Brightness and contrast inside the face ellipse, equal for all seven, so that morphs do not flash."""
_SHARPEN: Final = 0.5


@dataclass(frozen=True)
class Composite:
    """One emotion's face, uint8 (48, 48).

    `faces`: number of averaged faces. `lowest_agreement`: smallest share of people who chose the label.
    `probability`: of the label, mean over the test sizes; 0 for a size at which the face was not detected.
    """

    label: str
    image: NDArray[np.uint8]
    faces: int
    lowest_agreement: float
    probability: float


def place_in_frame(face: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Enlarge a (48, 48) face into a grey (360, 480) frame, faded out at the border of an ellipse."""
    frame = np.full(_FRAME, _GREY, dtype=np.float32)
    large = cv2.resize(face.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:side_px, 0:side_px] / (side_px - 1) * 2 - 1
    inside = np.clip((1 - np.hypot(rows / 1.05, columns / 0.95)) / 0.15, 0, 1)
    top, left = (_FRAME[0] - side_px) // 2, (_FRAME[1] - side_px) // 2
    area = frame[top : top + side_px, left : left + side_px]
    area += inside * (np.asarray(large) - area)
    return np.clip(frame, 0, 255).astype(np.uint8)


class CompositeTest:
    """Detects composites with the device's detector and classifies them with the float model."""

    def __init__(self, model: FloatModel, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        """Load the cascades. Raises CascadeError where they are missing."""
        self._model = model
        self._spec = describe_input(model, value_range)
        self._detector = Detector(DetectorConfig())

    def probabilities(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (sizes, 7); a row of zeros where not exactly one face is detected and confirmed."""
        rows = np.zeros((len(SIDES_PX), len(LABELS)), dtype=np.float32)
        for row, side in zip(rows, SIDES_PX, strict=True):
            frame = place_in_frame(face, side)
            detections = self._detector.detect(frame)
            if len(detections) == 1 and detections[0].verified:
                view = crop(frame, detections[0].box, 0.0, self._spec.width, self._spec.height)
                row[:] = self._model.predict(to_network(view, self._spec)[None])[0]
        return rows

    def confidence(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        """Return the probability of one label for uint8 (n, 48, 48) faces."""
        inputs = np.stack([to_network(image, self._spec) for image in images])
        return np.asarray(self._model.predict(inputs)[:, label], dtype=np.float32)


def to_image(mean: Face) -> NDArray[np.uint8]:
    """Convert a normalised mean face to uint8 (48, 48), slightly sharpened."""
    small = np.asarray(cv2.resize(mean, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_AREA))
    sharp = small + _SHARPEN * (small - np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5)))
    return np.asarray(np.clip(sharp * _CONTRAST + _MEAN, 0, 255), dtype=np.uint8)


def _candidates(split: Split, label: int, test: CompositeTest) -> tuple[Faces, NDArray[np.float32]]:
    """Return aligned faces of different photographs, most confident first, and the agreement on each."""
    min_agreement = _MIN_AGREEMENT.get(LABELS[label], _DEFAULT_AGREEMENT)
    rows = np.flatnonzero((split.majority == label) & (split.agreement >= min_agreement - 1e-6))
    # A part of the thousands of happy and neutral faces is enough.
    chosen = split.take(np.random.default_rng(_SEED).permutation(rows)[:_MAX_CONSIDERED])
    order = np.argsort(-test.confidence(chosen.images, label), kind="stable")
    finder, faces, agreement = EyeFinder(), [], []
    for row in order:
        eyes = finder.find(chosen.images[row])
        if eyes is not None:
            faces.append(align_by_eyes(chosen.images[row], eyes))
            agreement.append(chosen.agreement[row])
        if len(faces) == 2 * _CANDIDATES:
            break
    correlations = similarity(np.asarray(faces))
    kept: list[int] = []
    for row in range(len(faces)):
        if not kept or correlations[row, kept].max() < _SAME_PHOTO:
            kept.append(row)
    kept = kept[:_CANDIDATES]
    if len(kept) < MIN_FACES:
        msg = f"only {len(kept)} different faces of {LABELS[label]} can be aligned; {MIN_FACES} are needed"
        raise ConvertError(msg)
    return np.asarray(faces)[kept], np.asarray(agreement)[kept]


def _groups(faces: Faces) -> list[NDArray[np.int64]]:
    """Return the groups of indexes to average: the most confident faces, and the neighbours of each of the first 16."""
    groups = [np.arange(size) for size in _GROUP_SIZES if size <= len(faces)]
    if len(faces) > _NEIGHBOURS:
        correlations = similarity(faces)
        groups += [np.sort(np.argsort(-correlations[seed], kind="stable")[:_NEIGHBOURS]) for seed in range(_SEEDS)]
    return groups


def build_composite(split: Split, label: int, test: CompositeTest) -> Composite:
    """Build one emotion's composite: of all groups' averages the one with the highest probability."""
    faces, agreement = _candidates(split, label, test)
    best: Composite | None = None
    for group in _groups(faces):
        image = to_image(elastic_mean(faces[group]))
        probability = float(test.probabilities(image)[:, label].mean())
        if best is None or probability > best.probability:
            best = Composite(LABELS[label], image, len(group), float(agreement[group].min()), probability)
    assert best is not None  # noqa: S101 - MIN_FACES is the smallest group size
    return best


def build_actor(data: Path, model: FloatModel, print_line: PrintLine) -> list[Composite]:
    """Build all seven composites from FER2013's Training faces, in the order of `LABELS`.

    Raises ConvertError where too few faces can be aligned, CascadeError where OpenCV's cascades are missing.
    """
    split = with_majority(load_split(data, "Training"))
    test = CompositeTest(model)
    composites = []
    for label in range(len(LABELS)):
        made = build_composite(split, label, test)
        print_line(
            f"{made.label}: {made.faces} faces, each by at least {10 * made.lowest_agreement:.0f} of 10 people; "
            f"probability of {made.label} {made.probability:.2f}"
        )
        composites.append(made)
    return composites


def strip(composites: list[Composite]) -> NDArray[np.uint8]:
    """Return the composites side by side: uint8 (48, 336)."""
    return np.concatenate([made.image for made in composites], axis=1)


def write_strip(composites: list[Composite], path: Path) -> None:
    """Write the strip as a PNG. Raises OSError where that fails."""
    _, content = cv2.imencode(".png", strip(composites), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, content.tobytes())
