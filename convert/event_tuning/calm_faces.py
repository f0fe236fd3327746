"""Composes people whose neutral face the model misreads, and records how they and others are read.

A misread person shows neutral pictures that the model takes for sad, or for angry, and expressions like anybody else's.
Each person is shown to the sensor as a calm face with other pictures of the same kind than those of the person's own
sequence: pictures are divided into halves for that.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face
from convert.data.fer2013 import LABELS, load_split, training_rows
from convert.errors import ConvertError
from convert.event_tuning.face_sequences import (
    CONDITIONS,
    SEED,
    AgreedFaces,
    agreed_faces,
    draw_segments,
    emotion_chances,
    record_segments,
)
from convert.event_tuning.replay import RecordedTrack
from convert.progress import PrintLine
from edge.vision.calm_face import SECONDS
from edge.vision.classification.classifier import Classifier

MISREAD_AS: Final = ("sad", "angry")
"""What neutral faces are taken for, of which people complain. Every second person is of each kind."""
_NEUTRAL: Final = LABELS.index("neutral")
_MIN_AGREEMENT: Final = 0.5
"""Half of ten people call the face neutral. With seven, as for other sequences, PublicTest has six angry ones left."""
_ROUNDING: Final = 1e-6
_FEWEST: Final = 8
"""Misread pictures of a kind, half of them for each of the two uses."""
_ORDINARY, _MISREAD, _OWN_CALM, _MISREAD_CALM = range(2, 6)
"""Seeds of what is drawn; 0 and 1 are those of other sequences."""
_MARGIN_SECONDS: Final = 0.2
"""The sequence is a little longer than the look, so that it has readings until its end."""


@dataclass(frozen=True)
class CalmPerson:
    """A person's sequence, and the readings, float32 (n, labels), of five seconds with other neutral pictures.

    `kind`: what the neutral face is taken for, "" for an ordinary person.
    """

    track: RecordedTrack
    calm: NDArray[np.float32]
    kind: str


@dataclass(frozen=True)
class CalmPeople:
    """Ordinary and misread people. `pictures`: number of misread pictures of each kind."""

    ordinary: tuple[CalmPerson, ...]
    misread: tuple[CalmPerson, ...]
    pictures: dict[str, int]


def record_calm_people(
    classifier: Classifier, data: Path, print_line: PrintLine, people: int, seconds: float
) -> CalmPeople:
    """Record as many ordinary and as many misread people, `seconds` each.

    Ordinary faces are those of `face_sequences`, of PublicTest; misread ones of PublicTest and Training. Raises
    ConvertError for a model with other labels than the data's, and for one that misreads too few faces.
    """
    if tuple(classifier.labels) != LABELS:
        msg = f"model {classifier.path} must have the labels {', '.join(LABELS)}, in that order"
        raise ConvertError(msg)
    faces = agreed_faces(data)
    halves = _halves(faces.rows[_NEUTRAL], 0)
    own, own_calm = (_with_neutral(faces, rows) for rows in halves)
    misread: dict[str, tuple[AgreedFaces, AgreedFaces]] = {}
    found = _misread_images(classifier, faces, data)
    for at, (kind, images) in enumerate(found.items()):
        if len(images) < _FEWEST:
            msg = f"model {classifier.path} takes fewer than {_FEWEST} neutral faces of {data} for {kind}"
            raise ConvertError(msg)
        start = len(faces.split.images)
        more = replace(faces, split=replace(faces.split, images=np.concatenate([faces.split.images, np.stack(images)])))
        rows = start + np.arange(len(images))
        first, second = (_with_neutral(more, half) for half in _halves(rows, at + 1))
        misread[kind] = first, second
        print_line(f"{len(images)} neutral faces that the model takes for {kind}")

    def person(number: int, kind: str, shown: tuple[AgreedFaces, AgreedFaces], seeds: tuple[int, int]) -> CalmPerson:
        rng = np.random.default_rng((SEED, seeds[0], number))
        segments = draw_segments(rng, seconds, emotion_chances(faces))
        track = record_segments(rng, number, classifier, shown[0], segments, varies=number % 2 == 1)
        rng = np.random.default_rng((SEED, seeds[1], number))
        calm = [("neutral", SECONDS + _MARGIN_SECONDS)]
        look = record_segments(rng, number, classifier, shown[1], calm, varies=True)
        return CalmPerson(track, look.predictions[look.read], kind)

    ordinary, others = [], []
    for number in range(people):
        # Each kind in all conditions.
        kind = MISREAD_AS[number // len(CONDITIONS) % len(MISREAD_AS)]
        ordinary.append(person(number, "", (own, own_calm), (_ORDINARY, _OWN_CALM)))
        others.append(person(number, kind, misread[kind], (_MISREAD, _MISREAD_CALM)))
        if (number + 1) % 10 == 0:
            print_line(f"{number + 1} of {people} people of each kind recorded")
    return CalmPeople(tuple(ordinary), tuple(others), {kind: len(images) for kind, images in found.items()})


def _halves(rows: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shuffled = np.random.default_rng((SEED, 1, seed)).permutation(rows)
    return shuffled[::2], shuffled[1::2]


def _with_neutral(faces: AgreedFaces, rows: NDArray[np.int64]) -> AgreedFaces:
    return replace(faces, rows=(*faces.rows[:_NEUTRAL], rows, *faces.rows[_NEUTRAL + 1 :]))


def _misread_images(classifier: Classifier, faces: AgreedFaces, data: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """Return neutral faces of clean PublicTest and of Training, each once, by the label that the model gives them."""
    found: dict[str, list[NDArray[np.uint8]]] = {kind: [] for kind in MISREAD_AS}
    known: set[bytes] = set()
    for split in (faces.split, training_rows(load_split(data, "Training"))):
        for row in np.flatnonzero((split.majority == _NEUTRAL) & (split.agreement >= _MIN_AGREEMENT - _ROUNDING)):
            image = split.images[row]
            if image.tobytes() in known:
                continue
            known.add(image.tobytes())
            label = LABELS[int(_read(classifier, image).argmax())]
            if label in found:
                found[label].append(image)
    return found


def _read(classifier: Classifier, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    view = place_face(image, classifier.manifest.input.width, 0.0, 1.0, (0.0, 0.0))
    if classifier.wants_colour:
        view = np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return classifier.classify_crop(view)
