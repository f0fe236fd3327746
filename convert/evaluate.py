"""How good a model is: float and int8, against FER+ and FER2013 labels, on images it never saw."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from convert.calibration import to_network
from convert.dataset import Split, load_split, without_duplicates_of
from convert.errors import ConvertError
from convert.floatmodel import FloatModel, load_float_model, with_probabilities
from convert.labels import LABELS
from convert.metrics import Scores, calibration_error, score
from convert.quantize import check_fits
from convert.runtime import Int8Model, runtime_name
from edge.manifest import Manifest, ModelInput, load_manifest
from edge.preprocess import calibrate

FERPLUS = "FER+ majority"
FER2013 = "FER2013"

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """Scores of one model, run by `runtime`, against the labels of `dataset`."""

    dataset: str
    runtime: str
    scores: Scores


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one split.

    `dropped`: images left out because Training holds them too. `agreement`: share of images with the
    same most probable label, float and int8; None without a float model. `coverage`: share of images
    whose calibrated confidence reaches the manifest's threshold.
    """

    model: str
    split: str
    images: int
    dropped: int
    results: tuple[Result, ...]
    agreement: float | None
    calibration_error: float
    coverage: float
    covered_accuracy: float


def clean_split(data: Path, name: str) -> tuple[Split, int]:
    """Return a test split without the images that Training holds too, and how many those were."""
    whole = load_split(data, name)
    clean = without_duplicates_of(whole, load_split(data, "Training"))
    return clean, len(whole) - len(clean)


def network_inputs(images: NDArray[np.uint8], spec: ModelInput) -> NDArray[np.float32]:
    """Return uint8 (n, 48, 48) faces as float32 (n, height, width, channels), whole, as FER2013 frames them."""
    return np.stack([to_network(image, spec) for image in images])


def float_runtime() -> str:
    """Name and version of what runs the float model."""
    return f"keras {keras.__version__} float32"


def results(split: Split, probabilities: Probabilities, runtime: str) -> list[Result]:
    """Score one model's probabilities (n, 7) against both kinds of labels."""
    led = split.leader >= 0
    return [
        Result(FERPLUS, runtime, score(split.leader[led], probabilities[led])),
        Result(FER2013, runtime, score(split.original, probabilities)),
    ]


def evaluate(model: Path, float_model: Path | None, data: Path, split_name: str) -> Evaluation:
    """Evaluate a .tflite with its manifest, and the float model it came from where one is given.

    Raises ConvertError or ModelError where files cannot be used or do not belong together.
    """
    manifest = load_manifest(model)
    if manifest.labels != LABELS:
        msg = f"model {model} has labels {', '.join(manifest.labels)}; FER2013 can only judge {', '.join(LABELS)}"
        raise ConvertError(msg)
    split, dropped = clean_split(data, split_name)
    inputs = network_inputs(split.images, manifest.input)
    try:
        interpreter = Int8Model(model.read_bytes())
    except (ValueError, RuntimeError) as error:
        msg = f"model {model} cannot be run by {runtime_name()}: {error}"
        raise ConvertError(msg) from error
    quantized = interpreter.predict(inputs)
    found = results(split, quantized, f"{runtime_name()} {manifest.quantization.input.dtype}")
    agreement = None
    if float_model is not None:
        reference = _float_probabilities(load_float_model(float_model), manifest.input, inputs)
        found = results(split, reference, float_runtime()) + found
        agreement = label_agreement(reference, quantized)
    calibrated = calibrate(quantized, manifest.temperature, interpreter.output.scale)
    return Evaluation(
        manifest.name, split_name, len(split), dropped, tuple(found), agreement, *_trust(split, calibrated, manifest)
    )


def _float_probabilities(model: FloatModel, spec: ModelInput, inputs: NDArray[np.float32]) -> Probabilities:
    check_fits(model, spec)
    return with_probabilities(model, inputs[:8]).predict(inputs)


def label_agreement(first: Probabilities, second: Probabilities) -> float:
    """Return the share of rows with the same most probable label."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def _trust(split: Split, calibrated: Probabilities, manifest: Manifest) -> tuple[float, float, float]:
    led = split.leader >= 0
    labels, rows = split.leader[led], calibrated[led]
    covered = rows.max(axis=1) >= manifest.thresholds.unknown_below
    right = rows.argmax(axis=1) == labels
    return calibration_error(labels, rows), float(covered.mean()), float(right[covered].mean())


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as plain data."""
    return {"labels": list(LABELS), **asdict(evaluation)}


def to_table(evaluation: Evaluation) -> str:
    """Return the evaluation for people."""
    lines = [
        f"model {evaluation.model}, {evaluation.split}: {evaluation.images} images "
        f"({evaluation.dropped} left out, because Training holds them too)",
        "",
        f"{'labels':<14} {'run by':<28} {'images':>6} {'accuracy':>9} {'95 % interval':>15} {'macro recall':>13}",
    ]
    for result in evaluation.results:
        scores = result.scores
        low, high = (100 * bound for bound in scores.interval)
        lines.append(
            f"{result.dataset:<14} {result.runtime:<28} {scores.images:>6} {100 * scores.accuracy:>7.2f} % "
            f"{low:>6.2f} - {high:>5.2f} {100 * scores.macro_recall:>11.2f} %"
        )
    if evaluation.agreement is not None:
        lines.append(f"float and int8 give the same label on {100 * evaluation.agreement:.2f} % of the images")
    lines.append(
        f"{100 * evaluation.coverage:.1f} % reach the threshold for a label, and of those "
        f"{100 * evaluation.covered_accuracy:.2f} % are right; calibration error "
        f"{100 * evaluation.calibration_error:.2f} %"
    )
    last = evaluation.results[-2]
    lines += ["", f"{last.dataset}, {last.runtime}: rows are what people said, columns what the model said"]
    lines += _confusion(last.scores)
    return "\n".join(lines) + "\n"


def _confusion(scores: Scores) -> Sequence[str]:
    header = " " * 10 + "".join(f"{label:>9}" for label in LABELS) + f"{'recall':>9}"
    rows = [
        f"{label:<10}" + "".join(f"{count:>9}" for count in row) + (f"{recall:>9.3f}" if recall is not None else "")
        for label, row, recall in zip(LABELS, scores.confusion, scores.recalls, strict=True)
    ]
    return [header, *rows]
