"""Composes sequences of synthetic people from faces of FER2013's PublicTest, and records their predictions.

Each face is framed as a detector's box would frame it and classified by the shipped int8 model, so that the
event rules get the noise of the device: single wrong predictions, faces that are wrong throughout, light,
blur, grain, hands, frames without a detection.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face
from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import LABELS, Split, clean_split, with_majority
from convert.errors import ConvertError
from convert.event_tuning.ground_truth import Segment, ground_truth
from convert.event_tuning.replay import RecordedTrack
from edge.types import Box, Detection
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.readability import is_blurred

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
"""Corruption and strength of one person's whole sequence, by the person's number. Noise, and strength and
direction of motion blur, are drawn anew for each frame; the light stays the same."""
_PER_FRAME: Final = ("low_light", "sensor_noise", "motion_blur")

_MIN_AGREEMENT: Final = 0.7
_MIN_FACES: Final = 20
"""Faces on which seven of ten people agree; of disgust, which has 4 of them, the 20 with the highest agreement."""

_LENGTHS: Final = ((0.35, 1.5, 2.5), (0.45, 3.0, 6.0), (0.2, 8.0, 15.0))
"""(probability, shortest, longest) of a segment, seconds: quick, usual, long."""
_FLICKER_CHANCE: Final = 0.4
_FLICKER_SECONDS: Final = (0.12, 0.32)
"""Four in ten segments of three seconds or more contain a flicker, which must not be announced."""
_MORPH_SECONDS: Final = 0.3
_OTHER_FACE_SECONDS: Final = (0.5, 1.5)
"""Every second person's face varies: after this time another face of the same label is shown."""
_HANDS_PER_SECOND: Final = 1 / 15
_HAND_SECONDS: Final = (0.3, 0.8)
_HAND_STRENGTH: Final = 0.7
_MISSED: Final = 0.03
_GAPS_PER_SECOND: Final = 1 / 20
_GAP_SECONDS: Final = (0.2, 0.7)
"""Detections that are missed singly (share), and in gaps, as while the head is turned."""
_JITTER: Final = 0.03
"""Standard deviation of a box's place and size, share of its side; half of the variance is slow (0.4 s)."""
_TILT_DEG: Final = 5.0
_SLOW_SECONDS: Final = 0.4
APPEARANCE: Final = round(FPS * 0.3)
"""Frame in which a face appears: its track is confirmed by then."""
SEED: Final = 23


@dataclass(frozen=True)
class PoseJitter:
    """Random pose for each frame, with a slow and a quick part: `shift` (n, 2), `scale` (n,), `tilt_deg` (n,)."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]


@dataclass(frozen=True)
class AgreedFaces:
    """Clean PublicTest, and for each label the indexes of the faces that enough people label alike."""

    split: Split
    rows: tuple[NDArray[np.int64], ...]


def agreed_faces(data: Path) -> AgreedFaces:
    """Return the faces of clean PublicTest that people agree on.

    Raises ConvertError where a label has none.
    """
    clean, _ = clean_split(data, "PublicTest")
    split = with_majority(clean)
    rows = []
    for label, name in enumerate(LABELS):
        own = np.flatnonzero(split.majority == label)
        if not len(own):
            msg = f"{data} contains no PublicTest face of {name}: use the complete fer2013.npz"
            raise ConvertError(msg)
        agreement = split.agreement[own]
        threshold = np.sort(agreement)[::-1][: min(_MIN_FACES, len(own))][-1]
        rows.append(own[agreement >= min(threshold, np.float32(_MIN_AGREEMENT)) - 1e-6])
    return AgreedFaces(split, tuple(rows))


def emotion_chances(faces: AgreedFaces) -> NDArray[np.float64]:
    """Return the probabilities of the emotions, (labels,): between the natural and a uniform frequency.

    Else disgust would be in no sequence, or in every third segment.
    """
    chances = np.sqrt([float((faces.split.majority == label).sum()) for label in range(len(LABELS))])
    return np.asarray(chances / chances.sum(), dtype=np.float64)


def draw_segments(rng: np.random.Generator, seconds: float, chances: NDArray[np.float64]) -> list[Segment]:
    """Draw the expressions of a person for at least `seconds`.

    `chances`: (labels,), probabilities of the emotions. Neighbouring segments differ.
    """
    segments: list[Segment] = []
    lengths = np.array([kind[0] for kind in _LENGTHS])
    while sum(length for _, length in segments) < seconds:
        label = _another(rng, chances, segments[-1][0] if segments else "")
        _, shortest, longest = _LENGTHS[int(rng.choice(len(_LENGTHS), p=lengths))]
        length = float(rng.uniform(shortest, longest))
        if length >= _LENGTHS[1][1] and rng.random() < _FLICKER_CHANCE:
            before = float(rng.uniform(1.0, length - 1.0))
            brief = float(rng.uniform(*_FLICKER_SECONDS))
            segments += [(label, before), (_another(rng, chances, label), brief), (label, length - before)]
        else:
            segments.append((label, length))
    return segments


def _another(rng: np.random.Generator, chances: NDArray[np.float64], than: str) -> str:
    others = np.where(np.asarray(LABELS) == than, 0.0, chances)
    return LABELS[int(rng.choice(len(LABELS), p=others / others.sum()))]


def draw_pose(rng: np.random.Generator, frames: int) -> PoseJitter:
    """Draw the jitter of a detector's box and of a head that is held upright."""
    keep = float(np.exp(-1 / (FPS * _SLOW_SECONDS)))
    slow, quick = rng.standard_normal((2, frames, 4))
    for row in range(1, frames):
        slow[row] = keep * slow[row - 1] + (1 - keep**2) ** 0.5 * slow[row]
    both = (slow + quick) / 2**0.5
    return PoseJitter(_JITTER * both[:, :2], 1 + _JITTER * both[:, 2], _TILT_DEG * slow[:, 3])


def random_intervals(
    rng: np.random.Generator, frames: int, per_second: float, lengths: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return a mask (n,) of the frames in intervals that begin at random and last for `lengths` seconds."""
    inside = np.zeros(frames, dtype=bool)
    for start in np.flatnonzero(rng.random(frames) < per_second / FPS):
        inside[start : start + round(FPS * rng.uniform(*lengths))] = True
    return inside


def draw_faces(
    rng: np.random.Generator, segments: list[Segment], faces: AgreedFaces, *, varies: bool
) -> list[NDArray[np.uint8]]:
    """Draw the faces, uint8 (48, 48), frame by frame, crossfading from one to the next."""
    images: list[NDArray[np.uint8]] = []
    before: NDArray[np.uint8] | None = None
    for label, seconds in segments:
        left = seconds
        while left > 0:
            length = min(left, float(rng.uniform(*_OTHER_FACE_SECONDS))) if varies else left
            face = faces.split.images[rng.choice(faces.rows[LABELS.index(label)])]
            morph = min(_MORPH_SECONDS, length)
            start, stop = (round(FPS * (seconds - at)) for at in (left, left - length))
            for step in range(stop - start):
                mix = 1.0 if before is None else min(1.0, (step + 1) / (FPS * morph))
                old = face if before is None else before
                images.append(np.asarray(cv2.addWeighted(face, mix, old, 1 - mix, 0), dtype=np.uint8))
            before, left = face, left - length
    return images


def _corrupt(
    face: NDArray[np.uint8], condition: tuple[str, float], seeds: tuple[int, int], *, hand: bool
) -> NDArray[np.uint8]:
    """Corrupt one framed face; `seeds`: of the sequence, for what stays the same, and of the frame."""
    name, strength = condition
    if hand:
        face = CORRUPTIONS["hand"](face, _HAND_STRENGTH, np.random.default_rng(seeds[0]))
    if name in CORRUPTIONS:
        rng = np.random.default_rng(seeds if name in _PER_FRAME else seeds[0])
        if name == "motion_blur":
            strength *= rng.random()
        face = CORRUPTIONS[name](face, strength, rng)
    return face


def record_person(number: int, classifier: Classifier, faces: AgreedFaces, seconds: float) -> RecordedTrack:
    """Compose and classify one person's sequence at 25 frames per second; depends on number, data and model only."""
    rng = np.random.default_rng((SEED, number))
    segments = draw_segments(rng, seconds, emotion_chances(faces))
    return record_segments(rng, number, classifier, faces, segments, varies=number % 2 == 1)


def record_segments(  # noqa: PLR0913 - what a sequence is made of
    rng: np.random.Generator,
    number: int,
    classifier: Classifier,
    faces: AgreedFaces,
    segments: list[Segment],
    *,
    varies: bool,
) -> RecordedTrack:
    """Compose and classify the expressions of person `number` in that person's light; `varies`: as of `draw_faces`."""
    condition = CONDITIONS[number % len(CONDITIONS)]
    images = draw_faces(rng, segments, faces, varies=varies)
    count = len(images)
    pose = draw_pose(rng, count)
    hands = random_intervals(rng, count, _HANDS_PER_SECOND, _HAND_SECONDS)
    classified = ~(random_intervals(rng, count, _GAPS_PER_SECOND, _GAP_SECONDS) | (rng.random(count) < _MISSED))
    classified[: APPEARANCE + 1] = True  # the track was confirmed by then
    predictions = np.zeros((count, len(classifier.labels)), dtype=np.float32)
    readable = np.zeros(count, dtype=bool)
    spec = classifier.manifest.input
    whole = Detection(Box(0.0, 0.0, spec.width, spec.height), 1, verified=True)
    for frame in np.flatnonzero(classified):
        dx, dy = pose.shift[frame]
        placed = place_face(
            images[frame], spec.width, float(pose.tilt_deg[frame]), float(pose.scale[frame]), (float(dx), float(dy))
        )
        view = _corrupt(placed, condition, (number, int(frame)), hand=bool(hands[frame]))
        readable[frame] = not is_blurred(view, whole)
        if classifier.wants_colour:
            view = np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
        predictions[frame] = classifier.classify_crop(view)
    name = f"{condition[0]} {condition[1]:g}"
    times = np.arange(count) / FPS
    return RecordedTrack(name, ground_truth(segments), times, predictions, classified, APPEARANCE, readable)


def subsampled(track: RecordedTrack, every: int) -> RecordedTrack:
    """Return every n-th frame of a track; the face appears with the first prediction that then is possible."""
    kept = slice(None, None, every)
    seconds, classified = track.seconds[kept], track.classified[kept]
    appearance = int(np.flatnonzero(classified & (seconds >= track.seconds[track.appearance]))[0])
    return replace(
        track,
        seconds=seconds,
        predictions=track.predictions[kept],
        classified=classified,
        appearance=appearance,
        readable=None if track.readable is None else track.readable[kept],
    )
