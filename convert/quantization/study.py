"""Compares the methods of quantization by how they change a model's labels, and chooses one.

The two rules of choice are `choose` (on PublicTest, for models of the seven FER labels) and
`quantize_by_agreement` (on the calibration pictures, for a user's own model).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS, clean_split
from convert.errors import ConvertError, UnavailableError, reason_of
from convert.evaluation.forms import label_agreement
from convert.evaluation.results import Probabilities
from convert.progress import Heartbeat
from convert.quantization.calibration import DEFAULT_SET, CalibrationSet, training_faces
from convert.quantization.quantize import InOut, quantize, with_corrected_biases
from convert.runtimes import tflite_runtime
from convert.runtimes.inputs import Image, network_inputs, to_network
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.outputs import with_probabilities, with_usable_outputs
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.vision.classification.manifest import ModelInput
from edge.vision.classification.outputs import OutputKind

SPLIT: Final = "PublicTest"
MAX_LOSS: Final = 0.003
"""Accuracy, as a share, that an int8 model may lose. A method that loses more is chosen only if all do."""
SURE_MARGIN: Final = 0.1
"""Lead of the float model's first label over its second from which an image is not a near tie."""
MIN_MAX: Final = "min-max"
CORRECTED: Final = "bias-corrected"
GRID: Final = (
    CalibrationSet("plain", 100),
    CalibrationSet("plain", 500),
    CalibrationSet("camera", 500),
    CalibrationSet("balanced", 500),
    CalibrationSet("half", 100),
    DEFAULT_SET,
    CalibrationSet("half", 2000),
)
USUAL_AGREEMENT: Final = 0.95
"""Share of equal labels below which a user is warned: the models that ship keep 98 %, the pilot model 96.7 %."""
_MOST_APART: Final = 0.01
"""Difference of a probability between a network in its own framework and as float TensorFlow Lite, above which it was
converted wrongly. Rounding makes some 1e-6; a transposed layout or another padding, tenths."""
_LEAST_AGREEMENT: Final = 0.5
"""Share of the calibration pictures on which int8 must keep the float model's label. Networks that ship keep 97 %;
below half, the int8 form is another network."""


@dataclass(frozen=True)
class Trial:
    """One int8 model against the float model that it was converted from, on clean PublicTest.

    `accuracy`, `loss` (float less int8): shares of the images with a FER+ majority. `agreement`: share of
    all images with the float model's label. `sure_agreement`: the same on images where the float model's
    first label leads by `SURE_MARGIN`. `shift`: mean absolute difference of a probability.
    """

    calibration: str
    method: str
    accuracy: float
    loss: float
    agreement: float
    sure_agreement: float
    shift: float
    content: bytes = field(repr=False)


class FloatReference:
    """A float model's probabilities for a set of faces, with which int8 models are compared.

    `leader`: int64 (n,), the leading label of each face, -1 where none of the seven leads. `inputs`:
    float32 (n, height, width, channels). `probabilities`: float32 (n, 7), of the float model.
    """

    def __init__(self, leader: NDArray[np.int64], inputs: NDArray[np.float32], probabilities: Probabilities) -> None:
        self.leader, self.inputs, self.probabilities = leader, inputs, probabilities
        first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
        self._sure = first - second > SURE_MARGIN

    @staticmethod
    def on_public_test(model: FloatModel, spec: ModelInput, data: Path) -> "FloatReference":
        """Run a float model on clean PublicTest. Raises ConvertError for a model without the seven labels."""
        if model.outputs != len(LABELS):
            msg = f"model {model.path} has {model.outputs} outputs; FER2013 can only judge {', '.join(LABELS)}"
            raise ConvertError(msg)
        split, _ = clean_split(data, SPLIT)
        inputs = network_inputs(split.images, spec)
        return FloatReference(split.leader, inputs, with_probabilities(model, inputs).predict(inputs))

    def accuracy(self, probabilities: Probabilities) -> float:
        """Return the share of images with a FER+ majority that probabilities (n, 7) classify correctly."""
        led = self.leader >= 0
        return float((probabilities.argmax(axis=1) == self.leader)[led].mean())

    def compare(self, probabilities: Probabilities, content: bytes, calibration: str, method: str) -> Trial:
        """Compare an int8 model's probabilities (n, 7) for the same faces; `content` is its file."""
        accuracy, reference, sure = self.accuracy(probabilities), self.probabilities, self._sure
        return Trial(
            calibration=calibration,
            method=method,
            accuracy=accuracy,
            loss=self.accuracy(reference) - accuracy,
            agreement=label_agreement(probabilities, reference),
            sure_agreement=label_agreement(probabilities[sure], reference[sure]) if sure.any() else 1.0,
            shift=float(np.abs(probabilities - reference).mean()),
            content=content,
        )


def try_methods(
    model: FloatModel,
    spec: ModelInput,
    reference: FloatReference,
    faces: tuple[CalibrationSet, Sequence[Image]],
    heartbeat: Heartbeat,
) -> list[Trial]:
    """Quantize a model by each method with one set of calibration pictures, `faces`: the set and its pictures."""
    calibration, images = str(faces[0]), faces[1]

    def trial(content: bytes, method: str) -> Trial:
        heartbeat.status(f"{calibration}: running the {method} model on {len(reference.inputs)} pictures")
        return reference.compare(Int8Model(content).predict(reference.inputs), content, calibration, method)

    content = quantize(model, spec, images, tick=heartbeat.counted(f"{calibration}: calibrating"))
    plain = trial(content, MIN_MAX)
    tick = heartbeat.counted(f"{calibration}: correcting the biases")
    return [plain, trial(with_corrected_biases(content, model, spec, images, tick), CORRECTED)]


def choose(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the highest agreement, to the tenth of a point; of equal ones the first.

    Trials that lose more than `MAX_LOSS` are left out, unless all do.
    """
    kept = [trial for trial in trials if trial.loss <= MAX_LOSS] or list(trials)
    return max(kept, key=lambda trial: round(trial.agreement, 3))


def compare_sets(
    model: FloatModel, spec: ModelInput, data: Path, sets: Sequence[CalibrationSet], heartbeat: Heartbeat
) -> None:
    """Try every method with every calibration set on PublicTest; print each trial and the choice.

    Raises ConvertError for a model without the seven labels and for unusable data.
    """
    heartbeat.step(f"running the float model on {SPLIT}")
    reference = FloatReference.on_public_test(model, spec, data)
    heartbeat.line(HEADER)
    trials: list[Trial] = []
    for calibration in sets:
        for trial in try_methods(model, spec, reference, (calibration, training_faces(data, calibration)), heartbeat):
            heartbeat.line(to_row(trial))
            trials.append(trial)
    heartbeat.status("running the chosen model on the other interpreter")
    heartbeat.line(_summary(choose(trials), reference))


def quantize_for_release(model: FloatModel, spec: ModelInput, data: Path, heartbeat: Heartbeat) -> bytes:
    """Quantize by each method with the default calibration set, and return the model that `choose` takes."""
    heartbeat.step(
        "quantizing by two methods; the one that keeps more of the float model's labels on PublicTest is used"
    )
    reference = FloatReference.on_public_test(model, spec, data)
    trials = try_methods(model, spec, reference, (DEFAULT_SET, training_faces(data)), heartbeat)
    chosen = choose(trials)
    heartbeat.line("\n".join([HEADER, *map(to_row, trials), f"chosen: {chosen.method}"]))
    return chosen.content


@dataclass(frozen=True)
class UserModel:
    """A user's model in int8, and what both forms give for the calibration pictures.

    `content`: the .tflite. `kind`: what its outputs are. `reference`, `outputs`: float32 (images, labels), of the float
    and of the int8 form.
    """

    content: bytes = field(repr=False)
    kind: OutputKind
    reference: NDArray[np.float32] = field(repr=False)
    outputs: NDArray[np.float32] = field(repr=False)


def quantize_by_agreement(
    model: FloatModel, spec: ModelInput, images: Sequence[Image], in_out: InOut, heartbeat: Heartbeat
) -> UserModel:
    """Quantize a model of any labels; correct its biases where that keeps at least as many of its labels.

    Labels are compared on all calibration pictures, and the share of equal labels is printed, with a warning where it
    is low. Raises ConvertError where they are equal on fewer than half of them: such a model would be wrong on the
    device.
    """
    heartbeat.step(f"running the float model on {len(images)} calibration pictures")
    inputs = np.stack([to_network(image, spec) for image in images])
    model = with_usable_outputs(model, inputs)
    reference = _reference(model, inputs, heartbeat)

    def tried(content: bytes) -> UserModel:
        heartbeat.status(f"running the int8 model on {len(images)} calibration pictures")
        try:
            outputs = Int8Model(content).predict(inputs)
        except RuntimeError as error:  # the interpreter's, such as a division by what int8 rounds to zero
            msg = f"the int8 form of model {model.path} cannot be run on the pictures: {reason_of(error)}"
            raise ConvertError(msg) from error
        return UserModel(content, model.kind or "probabilities", reference, outputs)

    def agreement_of(made: UserModel) -> float:
        return label_agreement(reference, made.outputs)

    heartbeat.line(f"converting to int8; {len(images)} calibration pictures set the value ranges")
    best = tried(quantize(model, spec, images, in_out, heartbeat.counted("calibrating")))
    heartbeat.line("correcting the biases")
    try:
        tick = heartbeat.counted("correcting the biases")
        corrected = tried(with_corrected_biases(best.content, model, spec, images, tick))
    except ConvertError as error:
        heartbeat.line(str(error))
    else:
        best = max(corrected, best, key=agreement_of)  # of equal ones the corrected
    agreement = agreement_of(best)
    causes = (
        f"likely causes are a --range ({spec.value_range[0]:g} {spec.value_range[1]:g}) or --colour ({spec.colour}) "
        "other than in training, calibration pictures unlike those of training, "
    )
    if agreement < _LEAST_AGREEMENT:
        msg = (
            f"model {model.path} loses too much in int8: float and int8 give the same label on only "
            f"{100 * agreement:.0f} % of {len(inputs)} calibration pictures, and nothing was written; {causes}and a "
            "softmax over many classes inside the model"
        )
        raise ConvertError(msg)
    share = f"{100 * agreement:.0f} % of {len(inputs)} calibration pictures"
    if agreement < USUAL_AGREEMENT:
        heartbeat.line(
            f"warning: float and int8 give the same label on only {share}, where {100 * USUAL_AGREEMENT:.0f} % or more "
            f"are usual; {causes}and a model that is not sure of any label"
        )
    else:
        heartbeat.line(f"float and int8 give the same label on {share}")
    return best


def _reference(model: FloatModel, inputs: NDArray[np.float32], heartbeat: Heartbeat) -> NDArray[np.float32]:
    """Return the answers that int8 is compared with: those of the original framework where the model has one.

    Raises ConvertError where the network that was converted from it gives other answers.
    """
    converted = model.predict(inputs)
    if model.original is None:
        return converted
    heartbeat.step(f"running the original network on {len(inputs)} calibration pictures")
    reference = model.original(inputs)
    if reference.shape != converted.shape or not np.isfinite(reference).all():
        msg = (
            f"model {model.path} gives {reference.shape} in its own framework, with values that are "
            f"{'' if np.isfinite(reference).all() else 'not '}finite, and {converted.shape} once converted"
        )
        raise ConvertError(msg)
    apart = float(np.abs(reference - converted).max())
    if apart > _MOST_APART:
        same = label_agreement(reference, converted)
        msg = (
            f"model {model.path} was converted wrongly, and nothing was written: its float form differs from the "
            f"original by up to {apart:.2f} in an output, and gives the same label on {100 * same:.0f} % of "
            f"{len(inputs)} calibration pictures; an operation in it is probably not supported"
        )
        raise ConvertError(msg)
    heartbeat.line(f"the converted float network differs from the original by at most {apart:.1g} in an output")
    return reference


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


def _summary(chosen: Trial, reference: FloatReference) -> str:
    """Return the chosen trial with the rule of the choice, and its accuracy on the other interpreter."""
    lines = [
        f"float: accuracy {100 * reference.accuracy(reference.probabilities):.2f} %. {SPLIT} without images of "
        f"Training, {len(reference.inputs)} images, FER+ majority, {runtime_name()}. Where sure: the float model's "
        f"label leads by {SURE_MARGIN:g}. Shift: mean change of a probability.",
        f"chosen: {chosen.calibration}, {chosen.method}: the highest agreement to the tenth of a point, of those that "
        f"lose at most {100 * MAX_LOSS:.1f} points; of equal ones the first",
    ]
    try:
        rows, name = tflite_runtime.predict(chosen.content, reference.inputs)
    except UnavailableError as error:
        return "\n".join([*lines, f"not measured on the other interpreter: {error}"])
    agreement = label_agreement(rows, Int8Model(chosen.content).predict(reference.inputs))
    accuracy = reference.accuracy(rows)
    lines.append(
        f"on {name}: accuracy {100 * accuracy:.2f} % ({100 * (accuracy - chosen.accuracy):+.2f} points), "
        f"{100 * agreement:.2f} % of the labels the same as on {runtime_name()}"
    )
    return "\n".join(lines)
