"""Judges how a model reads test faces, each of which shows one known expression: whether it tells them apart, rightly.

Which faces count depends on the model's labels. Where at least two of them name an expression that the faces show, in
English, faces are read right or wrong, and only those of which the model has the label count. Of other labels, in
another language or of other things, nothing is known but how sure the model is and whether it tells the faces apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

SYNONYMS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "smile": "happy",
    "smiling": "happy",
    "calm": "neutral",
    "neutrality": "neutral",
    "contemptuous": "contempt",
    "sadness": "sad",
    "surprised": "surprise",
}
"""Other names of the expressions, in FER+, RAF-DB, AffectNet, CK+, KDEF and RAVDESS and in the folders of users."""

_FEWEST_NAMED: Final = 2
"""Labels with a test face from which a model can be right or wrong: with one label it is, whatever it reads."""
_MORE_RIGHT: Final = 2
"""Faces by which another input or order of labels must be better: one face may be read better by chance."""
_ALIVE_LABELS: Final = 3
"""Different labels of seven faces from which a model whose labels say nothing tells expressions apart."""
_FEWEST_PERMUTED: Final = 4
"""Labels from which another order of them may be suggested. A network that guesses, and is sure of it, gives each of
four faces another label once in eleven times, and each of three once in five."""
_ONE_MAY_MISS: Final = 7
"""Labels from which one face may share its label with another: chance does that once in seven times, and with five
labels twice in five."""


def plain_label(name: str) -> str:
    """Return a label in lower case, by the usual name of the expression where it is a synonym of one."""
    folded = name.strip().casefold()
    return SYNONYMS.get(folded, folded)


@dataclass(frozen=True)
class FaceReading:
    """What a model gives for the test faces.

    `labels`: of the model. `shown`: expression of each face. `probabilities`: float32 (faces, labels), calibrated.
    `unknown_below`: a face with less confidence is `unknown`.
    """

    labels: tuple[str, ...]
    shown: tuple[str, ...]
    probabilities: NDArray[np.float32]
    unknown_below: float

    @cached_property
    def expected(self) -> list[int | None]:
        """Label that names what each face shows; None where the model has none, and in all where it has but one."""
        known = {plain_label(label): at for at, label in enumerate(self.labels)}
        expected = [known.get(emotion) for emotion in self.shown]
        return expected if sum(at is not None for at in expected) >= _FEWEST_NAMED else [None] * len(self.shown)

    @property
    def named(self) -> bool:
        """Whether the labels name what faces show, so that these can be read right or wrong."""
        return any(at is not None for at in self.expected)

    @cached_property
    def counted(self) -> list[int]:
        """Faces that count: those whose expression has a label, or all where no label says anything."""
        return [face for face, at in enumerate(self.expected) if at is not None or not self.named]

    @cached_property
    def best(self) -> list[int]:
        """Most probable label of each face."""
        return [int(label) for label in self.probabilities.argmax(axis=1)]

    @cached_property
    def confidence(self) -> list[float]:
        """Probability of that label."""
        return [float(value) for value in self.probabilities.max(axis=1)]

    def sure(self, face: int) -> bool:
        """Return whether a face is not `unknown`."""
        return self.confidence[face] >= self.unknown_below

    @property
    def leading_right(self) -> int:
        """Number of faces of which the right label is the most probable, however probable it is."""
        return sum(self.best[face] == self.expected[face] for face in self.counted)

    @property
    def right(self) -> int:
        """Number of faces that get the right label."""
        return sum(self.sure(face) and self.best[face] == self.expected[face] for face in self.counted)

    @property
    def unknown(self) -> int:
        """Number of the faces that count that are `unknown`."""
        return sum(not self.sure(face) for face in self.counted)

    @property
    def distinct(self) -> int:
        """Number of different labels, over all faces."""
        return len(set(self.best))

    @property
    def mostly_unknown(self) -> bool:
        """Whether most faces are `unknown`, or the happy one is, which models read best."""
        happy = next((face for face in self.counted if self.named and self.shown[face] == "happy"), None)
        return 2 * self.unknown > len(self.counted) or (happy is not None and not self.sure(happy))

    @property
    def mostly_wrong(self) -> bool:
        """Whether another label leads on most faces that can be read right."""
        return self.named and 2 * self.leading_right < len(self.counted)

    @property
    def useless(self) -> bool:
        """Whether one of the three checks fails: all faces get one label, most are `unknown`, most are wrong."""
        return self.distinct == 1 or self.mostly_unknown or self.mostly_wrong

    def is_better_than(self, other: "FaceReading") -> bool:
        """Return whether this reads the faces clearly better than `other`, and well enough to be suggested."""
        if self.named:
            return self.right >= other.right + _MORE_RIGHT and 2 * self.right > len(self.counted)
        alive = self.distinct >= min(_ALIVE_LABELS, len(self.labels)) and not self.mostly_unknown
        return alive and other.useless

    @property
    def rank(self) -> tuple[int, int, float]:
        """Rank among readings with other inputs; higher is better."""
        return self.right, self.distinct - self.unknown, float(np.mean(self.confidence))

    def face_text(self, face: int) -> str:
        """Return how a face is read, as in `happy as angry (14 %)`."""
        return f"{self.shown[face]} as {self.labels[self.best[face]]} ({100 * self.confidence[face]:.0f} %)"

    def summary(self) -> str:
        """Return what was found, as the end of a sentence about the model."""
        if self.named:
            unsure = self.leading_right - self.right
            more = f", and {unsure} more below unknown_below" if unsure else ""
            return f"reads {self.right} of {len(self.counted)} test faces as what they show{more}"
        if self.distinct == 1:
            return f"gives {len(self.shown)} test faces the same label"
        return f"gives {len(self.shown)} test faces {self.distinct} different labels"


def findings(reading: FaceReading) -> Iterator[str]:
    """Yield a sentence for each check that fails, without the reason."""
    faces, sure, threshold = len(reading.shown), reading.confidence, reading.unknown_below
    if reading.distinct == 1:
        yield (
            f"the model gives all {faces} test faces, which show {', '.join(reading.shown)}, the same label: "
            f"{reading.labels[reading.best[0]]} ({_percent_range(min(sure), max(sure))}"
            + (f", under the threshold unknown_below of {100 * threshold:.3g} %)" if max(sure) < threshold else ")")
        )
    elif reading.mostly_unknown:
        counted = reading.counted
        highest = max(sure[face] for face in counted if not reading.sure(face))
        yield (
            f"the model is too unsure of {reading.unknown} of {len(counted)} test faces, so that such faces are "
            f"unknown: it gives them at most {100 * highest:.3g} %, and the threshold unknown_below is "
            f"{100 * threshold:.3g} %" + (_happy_note(reading) if 2 * reading.unknown <= len(counted) else "")
        )
    if (reading.mostly_wrong and reading.distinct > 1) or better_order(reading) is not None:
        wrong = [reading.face_text(face) for face in reading.counted if reading.best[face] != reading.expected[face]]
        yield (
            f"the model reads {reading.leading_right} of {len(reading.counted)} test faces as what they show: "
            f"{', '.join(wrong)}"
        )


def _happy_note(reading: FaceReading) -> str:
    return (
        f" (among them the happy face, which it reads as {reading.labels[reading.best[reading.shown.index('happy')]]})"
    )


def _percent_range(low: float, high: float) -> str:
    low_text, high_text = f"{100 * low:.0f}", f"{100 * high:.0f}"
    return f"{high_text} %" if low_text == high_text else f"{low_text} to {high_text} %"


def better_order(reading: FaceReading) -> list[str] | None:
    """Return the labels in an order with which at least two more faces would be right, if there is one.

    Each face that the model is sure of names the output that leads on it, the surest face first. Every output must be
    named so, or all but one of seven.
    """
    counted = reading.counted
    if not reading.named or len(counted) < _FEWEST_PERMUTED:
        return None
    name_of: dict[int, int] = {}  # label by output
    for face in sorted(counted, key=lambda one: -reading.confidence[one]):
        expected = reading.expected[face]
        if reading.sure(face) and reading.best[face] not in name_of and expected is not None:
            name_of[reading.best[face]] = expected
    outputs = {at for at in reading.expected if at is not None}
    may_miss = int(len(counted) >= _ONE_MAY_MISS)
    if not set(name_of) <= outputs or len(name_of) < len(counted) - may_miss:
        return None
    if len(name_of) < reading.leading_right + _MORE_RIGHT:
        return None
    left_outputs, left_names = outputs - set(name_of), outputs - set(name_of.values())
    name_of |= dict(zip(left_outputs, left_names, strict=True))
    return [reading.labels[name_of.get(at, at)] for at in range(len(reading.labels))]


def likely_reasons(reading: FaceReading, quantized_for: str) -> Iterator[str]:
    """Yield what to try where no other range and no other colour reads the faces better.

    `quantized_for`: range that the model's input was quantized for, in words.
    """
    order = better_order(reading)
    if order is not None:
        yield (
            f'the labels look permuted: with "labels": {_json_list(order)} in the manifest the test faces would be '
            "read as what they show"
        )
    elif reading.named and not reading.mostly_wrong and reading.distinct > 1:
        yield (
            "what it reads is right, but never sure enough: lower unknown_below (thresholds in the manifest, or "
            "events.unknown_below), or the manifest's temperature"
        )
    else:
        what, start = "range or colour does better", ""
        if reading.named and len(reading.counted) >= _FEWEST_PERMUTED:
            what = "range, colour or order of labels reads them better"
        elif reading.named:
            what = "range or colour reads them better"
            if reading.distinct > 1:
                start = "the labels may be in another order, which so few faces cannot show, or "
        yield (
            f"no other {what}: {start}the model may be untrained, or trained with another input than the one that it "
            f"was quantized for, {quantized_for}; then run `emotion-convert quantize` again with the --range and "
            "--colour of its training"
        )


def _json_list(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
