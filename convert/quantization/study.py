"""Which way of making a model integer changes its answers least, measured on PublicTest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from convert.data.fer2013 import LABELS, clean_split
from convert.errors import ConvertError
from convert.evaluation.evaluate import Probabilities, label_agreement, network_inputs
from convert.quantization.calibration import CALIBRATION_IMAGES, KINDS, Kind, Picture, training_faces
from convert.quantization.quantize import corrected, quantize
from convert.runtimes import tflite_runtime as other_runtime
from convert.runtimes.keras_model import FloatModel, with_probabilities
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.manifest import ModelInput

SPLIT: Final = "PublicTest"
LOSS_ALLOWED: Final = 0.003
"""Accuracy, as a share, that an int8 model may lose; what loses more is not chosen while another does not."""
SURE_MARGIN: Final = 0.1
"""Lead of the float model's first label over its second from which an image counts as no near tie."""
MIN_MAX: Final = "min-max"
CORRECTED: Final = "bias-corrected"

Say = Callable[[str], None]


@dataclass(frozen=True)
class CalibrationSet:
    """Which Training faces, and how many, set the activations' ranges."""

    kind: Kind
    count: int

    def __str__(self) -> str:
        """Return it as the command line takes it."""
        return f"{self.kind}-{self.count}"


DEFAULT_SET: Final = CalibrationSet("half", CALIBRATION_IMAGES)
GRID: Final = (
    CalibrationSet("plain", 100),
    CalibrationSet("plain", 500),
    CalibrationSet("camera", 500),
    CalibrationSet("balanced", 500),
    CalibrationSet("half", 100),
    DEFAULT_SET,
    CalibrationSet("half", 2000),
)


def parse_sets(text: str) -> tuple[CalibrationSet, ...]:
    """Read `KIND-COUNT,...`. Raises ConvertError on anything else."""
    sets: list[CalibrationSet] = []
    for part in text.split(","):
        name, _, count = part.strip().partition("-")
        kind = next((known for known in KINDS if known == name), None)
        if kind is None or not (count.isascii() and count.isdigit()) or not int(count):
            msg = f"--sets must be such as half-500,plain-100 with {', '.join(KINDS)}, not {part.strip()!r}"
            raise ConvertError(msg)
        sets.append(CalibrationSet(kind, int(count)))
    return tuple(sets)


@dataclass(frozen=True)
class Trial:
    """One int8 model against the float model it came from, on clean PublicTest.

    `accuracy`, `loss` (float less int8): shares of the images with a FER+ majority. `agreement`: share
    of all images with the float model's label; `sure_agreement`: of those where its first label leads
    by `SURE_MARGIN`. `shift`: mean absolute difference of a probability.
    """

    calibration: str
    method: str
    accuracy: float
    loss: float
    agreement: float
    sure_agreement: float
    shift: float
    content: bytes = field(repr=False)


def input_of(model: FloatModel, value_range: tuple[float, float]) -> ModelInput:
    """Describe the input of a model of FER2013 faces: grey where it takes one channel, else RGB.

    `value_range`: what pixels 0 and 255 become. Raises ConvertError where it does not rise.
    """
    colour: Literal["gray", "rgb"] = "gray" if model.channels == 1 else "rgb"
    try:
        return ModelInput(width=model.width, height=model.height, colour=colour, value_range=value_range)
    except ValueError as error:
        msg = f"model {model.path} cannot be described: {error}"
        raise ConvertError(msg) from error


class Judge:
    """A float model, and what it says to PublicTest."""

    def __init__(self, model: FloatModel, spec: ModelInput, data: Path) -> None:
        """Run the float model once. Raises ConvertError for a model of other than the seven labels."""
        if model.outputs != len(LABELS):
            msg = f"model {model.path} has {model.outputs} outputs; FER2013 can only judge {', '.join(LABELS)}"
            raise ConvertError(msg)
        split, _ = clean_split(data, SPLIT)
        self.model, self.spec = model, spec
        self._leader, self.inputs = split.leader, network_inputs(split.images, spec)
        self.reference = with_probabilities(model, self.inputs).predict(self.inputs)
        first, second = np.sort(self.reference, axis=1)[:, :-3:-1].T
        self._sure = first - second > SURE_MARGIN

    def accuracy(self, rows: Probabilities) -> float:
        """Return the share of images with a FER+ majority on which probabilities (n, 7) lead to it."""
        led = self._leader >= 0
        return float((rows.argmax(axis=1) == self._leader)[led].mean())

    def trial(self, content: bytes, calibration: str, method: str) -> Trial:
        """Measure one .tflite."""
        rows = Int8Model(content).predict(self.inputs)
        accuracy = self.accuracy(rows)
        return Trial(
            calibration=calibration,
            method=method,
            accuracy=accuracy,
            loss=self.accuracy(self.reference) - accuracy,
            agreement=label_agreement(rows, self.reference),
            sure_agreement=label_agreement(rows[self._sure], self.reference[self._sure]) if self._sure.any() else 1.0,
            shift=float(np.abs(rows - self.reference).mean()),
            content=content,
        )


def trials(judge: Judge, pictures: Sequence[Picture], name: str) -> list[Trial]:
    """Quantize the judge's model by each method with one calibration set, called `name`, and measure."""
    model, spec = judge.model, judge.spec
    plain = quantize(model, spec, pictures)
    return [judge.trial(plain, name, MIN_MAX), judge.trial(corrected(plain, model, spec, pictures), name, CORRECTED)]


def study(judge: Judge, data: Path, sets: Sequence[CalibrationSet], say: Say) -> list[Trial]:
    """Measure every method with every calibration set, and say each figure as it comes."""
    found: list[Trial] = []
    for each in sets:
        for trial in trials(judge, training_faces(data, each.count, each.kind), str(each)):
            say(to_row(trial))
            found.append(trial)
    return found


def choose(found: Sequence[Trial]) -> Trial:
    """Return the trial with the highest agreement, to the tenth of a point; of equal ones the first.

    Among those that lose at most `LOSS_ALLOWED`, unless there is none.
    """
    kept = [trial for trial in found if trial.loss <= LOSS_ALLOWED] or list(found)
    return max(kept, key=lambda trial: round(trial.agreement, 3))


HEADER: Final = (
    f"{'calibration':<14} {'method':<15} {'accuracy':>9} {'to float':>9} {'same label':>11} "
    f"{'where sure':>11} {'shift':>8} {'bytes':>10}"
)


def to_row(trial: Trial) -> str:
    """Return a trial as one line below `HEADER`; the difference to float in points."""
    return (
        f"{trial.calibration:<14} {trial.method:<15} {100 * trial.accuracy:>7.2f} % {-100 * trial.loss:>+9.2f} "
        f"{100 * trial.agreement:>9.2f} % {100 * trial.sure_agreement:>9.2f} % {trial.shift:>8.5f} "
        f"{len(trial.content):>10,}"
    )


def to_end(chosen: Trial, judge: Judge) -> str:
    """Say what was chosen by which rule, and what the other interpreter makes of it."""
    lines = [
        f"float: accuracy {100 * judge.accuracy(judge.reference):.2f} %. {SPLIT} without images of Training, "
        f"{len(judge.inputs)} images, FER+ majority, {runtime_name()}. Where sure: the float model's label leads by "
        f"{SURE_MARGIN:g}. Shift: mean change of a probability.",
        f"chosen: {chosen.calibration}, {chosen.method}: the highest agreement to the tenth of a point, of those that "
        f"lose at most {100 * LOSS_ALLOWED:.1f} points; of equal ones the first",
    ]
    try:
        rows, other = other_runtime.predict(chosen.content, judge.inputs)
    except other_runtime.UnavailableError as error:
        return "\n".join([*lines, f"not measured on the other interpreter: {error}"])
    same = label_agreement(rows, Int8Model(chosen.content).predict(judge.inputs))
    accuracy = judge.accuracy(rows)
    lines.append(
        f"on {other}: accuracy {100 * accuracy:.2f} % ({100 * (accuracy - chosen.accuracy):+.2f} points), "
        f"{100 * same:.2f} % of the labels the same as on {runtime_name()}"
    )
    return "\n".join(lines)
