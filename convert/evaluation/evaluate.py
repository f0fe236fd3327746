"""How good a model is: float and int8, against FER+ and FER2013 labels, on images it never saw."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS, Split, clean_split
from convert.errors import ConvertError
from convert.evaluation.end_to_end import measure_detected
from convert.evaluation.provenance import circumstances
from convert.evaluation.results import Evaluation, How, Measurement, Pair, Result, Trust
from convert.evaluation.robustness import measure_robustness
from convert.metrics import above, accuracy_at, calibration_error, reliability, score
from convert.progress import Say, ticker
from convert.quantization.calibration import to_network
from convert.quantization.quantize import check_fits
from convert.runtimes import tflite_runtime as other_runtime
from convert.runtimes.keras_model import FloatModel, load_float_model, with_probabilities
from convert.runtimes.tflite import FloatTflite, Int8Model, runtime_name
from convert.runtimes.tflite_export import to_float_tflite
from edge.manifest import Manifest, ModelInput, load_manifest
from edge.preprocess import calibrate

FERPLUS: Final = "FER+ majority"
FER2013: Final = "FER2013"
COVERAGES: Final = tuple(round(0.05 * step, 2) for step in range(20, 0, -1))
"""Shares of the faces at which the coverage curve is read: 1.00, 0.95 ... 0.05."""

_SAMPLE_SEED: Final = 41
_QUICK: Final = "left out by --quick"

Probabilities = NDArray[np.float32]
"""float32 (images, labels)."""


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


def label_agreement(first: Probabilities, second: Probabilities) -> float:
    """Return the share of rows with the same most probable label."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def compare(split: Split, forms: Sequence[tuple[str, Probabilities]]) -> tuple[Pair, ...]:
    """Compare every two forms, each given as (runtime, probabilities (n, 7)), on the same images."""
    led = split.leader >= 0
    right = [rows[led].argmax(axis=1) == split.leader[led] for _, rows in forms]
    pairs = []
    for one, other in combinations(range(len(forms)), 2):
        lost, gained = int((right[one] & ~right[other]).sum()), int((~right[one] & right[other]).sum())
        pairs.append(
            Pair(
                first=forms[one][0],
                second=forms[other][0],
                images=len(split),
                agreement=label_agreement(forms[one][1], forms[other][1]),
                dataset=FERPLUS,
                judged=int(led.sum()),
                only_first_right=lost,
                only_second_right=gained,
                difference=(gained - lost) / int(led.sum()),
            )
        )
    return tuple(pairs)


def evaluate(model: Path, float_model: Path | None, data: Path, how: How, say: Say) -> Measurement:
    """Evaluate a .tflite with its manifest, and the float model it came from where one is given.

    Raises ConvertError or ModelError where files cannot be used or do not belong together, CascadeError
    where the detector has no cascade.
    """
    manifest = load_manifest(model)
    if manifest.labels != LABELS:
        msg = f"model {model} has labels {', '.join(manifest.labels)}; FER2013 can only judge {', '.join(LABELS)}"
        raise ConvertError(msg)
    clean, dropped = clean_split(data, how.split)
    split = _sampled(clean, how.sample)
    if not (split.leader >= 0).any():
        msg = f"on none of the {len(split)} images measured does one of the seven emotions lead the votes"
        raise ConvertError(msg)
    try:
        int8 = Int8Model(model.read_bytes())
    except (ValueError, RuntimeError) as error:
        msg = f"model {model} cannot be run by {runtime_name()}: {error}"
        raise ConvertError(msg) from error
    dtype = manifest.quantization.input.dtype
    shipped = f"{runtime_name()} {dtype}"
    inputs = network_inputs(split.images, manifest.input)
    forms, absent = _float_forms(float_model, manifest.input, inputs, tflite=not how.quick)
    quantized = int8.predict(inputs)
    forms.append((shipped, quantized))
    if how.quick:
        absent.append(f"{other_runtime.PACKAGE}, float TensorFlow Lite, robustness, real detector: {_QUICK}")
    else:
        say(f"running {len(inputs)} images on {other_runtime.PACKAGE} too, if it is here (10 ms each)")
        try:
            rows, name = other_runtime.predict(model.read_bytes(), inputs)
            forms.append((f"{name} {dtype}", rows))
        except other_runtime.UnavailableError as error:
            absent.append(f"{dtype} on {other_runtime.PACKAGE}: {error}")
    calibrated = calibrate(quantized, manifest.temperature, int8.output.scale)
    led = split.take(split.leader >= 0)
    evaluation = Evaluation(
        model=manifest.name,
        sha256=manifest.sha256,
        split=how.split,
        whole=len(clean) + dropped,
        dropped=dropped,
        images=len(split),
        results=tuple(result for name, rows in forms for result in results(split, rows, name)),
        pairs=compare(split, forms),
        trust=_trust(led.leader, calibrated[split.leader >= 0], manifest, shipped),
        robustness=() if how.quick else measure_robustness(led, led.leader, int8, manifest, ticker("robustness", say)),
        detected=None if how.quick else measure_detected(led, led.leader, int8, manifest, ticker("detector", say)),
        absent=tuple(absent),
        circumstances=circumstances(data, float_model),
    )
    return Measurement(evaluation, split, calibrated)


def _sampled(split: Split, count: int | None) -> Split:
    if count is None or count >= len(split):
        return split
    return split.take(np.sort(np.random.default_rng(_SAMPLE_SEED).permutation(len(split))[:count]))


def _float_forms(
    path: Path | None, spec: ModelInput, inputs: NDArray[np.float32], *, tflite: bool
) -> tuple[list[tuple[str, Probabilities]], list[str]]:
    """Run the float model by Keras and, converted, by the interpreter; or say why not."""
    if path is None:
        return [], ["float: no float model beside the model, and none given with --float"]
    model = load_float_model(path)
    check_fits(model, spec)
    model = with_probabilities(model, inputs)
    forms = [(float_runtime(), model.predict(inputs))]
    if not tflite:
        return forms, []
    try:
        forms.append((f"{runtime_name()} float32", _as_tflite(model, inputs)))
    except ConvertError as error:
        return forms, [f"float32 on {runtime_name()}: {error}"]
    return forms, []


def _as_tflite(model: FloatModel, inputs: NDArray[np.float32]) -> Probabilities:
    return FloatTflite(to_float_tflite(model)).predict(inputs)


def _trust(labels: NDArray[np.int64], rows: Probabilities, manifest: Manifest, runtime: str) -> Trust:
    threshold = manifest.thresholds.unknown_below
    coverage, covered_accuracy = above(labels, rows, threshold)
    return Trust(
        dataset=FERPLUS,
        runtime=runtime,
        images=len(labels),
        temperature=manifest.temperature,
        unknown_below=threshold,
        calibration_error=calibration_error(labels, rows),
        bins=reliability(labels, rows),
        coverage=coverage,
        covered_accuracy=covered_accuracy,
        curve=tuple(zip(COVERAGES, accuracy_at(labels, rows, COVERAGES), strict=True)),
    )
