"""Made-up people: faces of FER2013's PublicTest in sequence, as a camera would see them.

Each face is set before the network as a detector's box would frame it, and read by the shipped int8 model,
so that the event rules meet the noise that they meet on the device: single readings that are wrong, faces
that are read wrongly throughout, light, blur, grain, hands, frames without a detection.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face
from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import LABELS, Split, clean_split, labelled
from convert.errors import ConvertError
from convert.event_tuning.ground_truth import Part, truth_of
from convert.event_tuning.replay import Followed
from edge.classifier import Classifier

FPS: Final = 25.0
SECONDS: Final = 45.0
CONDITIONS: Final = (
    ("none", 0.0),
    ("low_light", 0.6),
    ("gamma", 0.6),
    ("motion_blur", 0.5),
    ("sensor_noise", 0.7),
    ("jpeg", 0.7),
    ("low_resolution", 0.6),
    ("backlight", 0.5),
)
"""Corruption and strength that one person is seen through: people take turns. Noise is drawn anew for each
frame, and so are strength and direction of motion blur; what belongs to the light stays."""
_ANEW: Final = ("low_light", "sensor_noise", "motion_blur")

_LEAST_AGREEMENT: Final = 0.7
_FEWEST_FACES: Final = 20
"""Faces on which seven of ten people agree; of disgust (4 of them) the 20 that most agree on."""

_LENGTHS: Final = ((0.35, 1.5, 2.5), (0.45, 3.0, 6.0), (0.2, 8.0, 15.0))
"""(chance, shortest, longest) of a part, seconds: quick, usual, long."""
_FLICKER_CHANCE: Final = 0.4
_FLICKER_SECONDS: Final = (0.12, 0.32)
"""Four in ten parts of three seconds or more hold a flicker, which must not be announced."""
_MORPH_SECONDS: Final = 0.3
_OTHER_FACE_SECONDS: Final = (0.5, 1.5)
"""Every second person's expression varies: after so long another face of the same label is shown."""
_HANDS_PER_SECOND: Final = 1 / 15
_HAND_SECONDS: Final = (0.3, 0.8)
_HAND: Final = 0.7
_MISSED: Final = 0.03
_GAPS_PER_SECOND: Final = 1 / 20
_GAP_SECONDS: Final = (0.2, 0.7)
"""Detections missed one by one, and while the head is turned."""
_JITTER: Final = 0.03
"""Standard deviation of a box's place and size, share of its side; half of its variance is slow (0.4 s)."""
_TILT_DEG: Final = 5.0
_SLOW_SECONDS: Final = 0.4
_APPEARS_SECONDS: Final = 0.3
_SEED: Final = 23


@dataclass(frozen=True)
class Look:
    """Slowly and quickly varying pose for each frame: `shift` (n, 2), `scale` (n,), `tilt_deg` (n,)."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]


def pools(data: Path) -> tuple[Split, list[NDArray[np.int64]]]:
    """Return PublicTest without images of Training, and for each label the rows of faces that people agree on.

    Raises ConvertError where a label has none.
    """
    clean, _ = clean_split(data, "PublicTest")
    split = labelled(clean)
    rows = []
    for label, name in enumerate(LABELS):
        own = np.flatnonzero(split.majority == label)
        if not len(own):
            msg = f"{data} holds no PublicTest face of {name}: use the whole fer2013.npz"
            raise ConvertError(msg)
        agreement = split.agreement[own]
        best = np.sort(agreement)[::-1][: min(_FEWEST_FACES, len(own))][-1]
        rows.append(own[agreement >= min(best, np.float32(_LEAST_AGREEMENT)) - 1e-6])
    return split, rows


def parts_of(rng: np.random.Generator, seconds: float, chances: NDArray[np.float64]) -> list[Part]:
    """Draw what a person shows for at least `seconds`; `chances` (labels,) sum to 1, neighbours differ."""
    parts: list[Part] = []
    lengths = np.array([kind[0] for kind in _LENGTHS])
    while sum(length for _, length in parts) < seconds:
        label = _another(rng, chances, parts[-1][0] if parts else "")
        _, shortest, longest = _LENGTHS[int(rng.choice(len(_LENGTHS), p=lengths))]
        length = float(rng.uniform(shortest, longest))
        if length >= _LENGTHS[1][1] and rng.random() < _FLICKER_CHANCE:
            before = float(rng.uniform(1.0, length - 1.0))
            brief = float(rng.uniform(*_FLICKER_SECONDS))
            parts += [(label, before), (_another(rng, chances, label), brief), (label, length - before)]
        else:
            parts.append((label, length))
    return parts


def _another(rng: np.random.Generator, chances: NDArray[np.float64], than: str) -> str:
    others = np.where(np.asarray(LABELS) == than, 0.0, chances)
    return LABELS[int(rng.choice(len(LABELS), p=others / others.sum()))]


def _look(rng: np.random.Generator, frames: int) -> Look:
    keep = float(np.exp(-1 / (FPS * _SLOW_SECONDS)))
    slow, quick = rng.standard_normal((2, frames, 4))
    for row in range(1, frames):
        slow[row] = keep * slow[row - 1] + (1 - keep**2) ** 0.5 * slow[row]
    both = (slow + quick) / 2**0.5
    return Look(_JITTER * both[:, :2], 1 + _JITTER * both[:, 2], _TILT_DEG * slow[:, 3])


def _spells(
    rng: np.random.Generator, frames: int, per_second: float, lengths: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return (n,) frames that lie in spells which begin at random and last for `lengths` seconds."""
    inside = np.zeros(frames, dtype=bool)
    for start in np.flatnonzero(rng.random(frames) < per_second / FPS):
        inside[start : start + round(FPS * rng.uniform(*lengths))] = True
    return inside


def _pictures(
    rng: np.random.Generator, parts: list[Part], split: Split, rows: list[NDArray[np.int64]], *, varies: bool
) -> list[NDArray[np.uint8]]:
    """Draw the faces, uint8 (48, 48), frame by frame, crossfading from one to the next."""
    pictures: list[NDArray[np.uint8]] = []
    before: NDArray[np.uint8] | None = None
    for label, seconds in parts:
        left = seconds
        while left > 0:
            length = min(left, float(rng.uniform(*_OTHER_FACE_SECONDS))) if varies else left
            face = split.images[rng.choice(rows[LABELS.index(label)])]
            morph = min(_MORPH_SECONDS, length)
            start, stop = (round(FPS * (seconds - at)) for at in (left, left - length))
            for step in range(stop - start):
                mix = 1.0 if before is None else min(1.0, (step + 1) / (FPS * morph))
                old = face if before is None else before
                pictures.append(np.asarray(cv2.addWeighted(face, mix, old, 1 - mix, 0), dtype=np.uint8))
            before, left = face, left - length
    return pictures


def _view(
    face: NDArray[np.uint8], side_px: int, how: tuple[str, float], seeds: tuple[int, int], hand: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Spoil one placed face; `seeds`: of the sequence, for what stays, and of the frame."""
    name, strength = how
    if hand:
        face = CORRUPTIONS["hand"](face, _HAND, np.random.default_rng(seeds[0]))
    if name in CORRUPTIONS:
        rng = np.random.default_rng(seeds if name in _ANEW else seeds[0])
        if name == "motion_blur":
            strength *= rng.random()
        face = CORRUPTIONS[name](face, strength, rng)
    assert face.shape == (side_px, side_px)  # noqa: S101 - what `read_crop` takes
    return face


def person(
    number: int, classifier: Classifier, split: Split, rows: list[NDArray[np.int64]], seconds: float
) -> Followed:
    """Compose and read one person's sequence at 25 frames a second; a function of the number, data and model."""
    rng = np.random.default_rng((_SEED, number))
    how = CONDITIONS[number % len(CONDITIONS)]
    # Between what is usual and what is even: else disgust would be in no sequence, or in every third part.
    usual = np.sqrt([float((split.majority == label).sum()) for label in range(len(LABELS))])
    parts = parts_of(rng, seconds, usual / usual.sum())
    pictures = _pictures(rng, parts, split, rows, varies=number % 2 == 1)
    count = len(pictures)
    look = _look(rng, count)
    hands = _spells(rng, count, _HANDS_PER_SECOND, _HAND_SECONDS)
    read = ~(_spells(rng, count, _GAPS_PER_SECOND, _GAP_SECONDS) | (rng.random(count) < _MISSED))
    read[: round(FPS * _APPEARS_SECONDS) + 1] = True  # it was confirmed by then
    readings = np.zeros((count, len(classifier.labels)), dtype=np.float32)
    spec = classifier.manifest.input
    for frame in np.flatnonzero(read):
        dx, dy = look.shift[frame]
        placed = place_face(
            pictures[frame], spec.width, float(look.tilt_deg[frame]), float(look.scale[frame]), (float(dx), float(dy))
        )
        view = _view(placed, spec.width, how, (number, int(frame)), hands[frame])
        if classifier.wants_colour:
            view = np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
        readings[frame] = classifier.read_crop(view)
    name = f"{how[0]} {how[1]:g}"
    times = np.arange(count) / FPS
    return Followed(name, truth_of(parts), times, readings, read, round(FPS * _APPEARS_SECONDS))


def at_rate(face: Followed, every: int) -> Followed:
    """Return the same sequence from every n-th frame; the face appears with the first reading it then can."""
    kept = slice(None, None, every)
    read = face.read[kept]
    first = int(np.flatnonzero(read & (face.seconds[kept] >= face.seconds[face.announced]))[0])
    return Followed(face.name, face.truth, face.seconds[kept], face.readings[kept], read, first)
