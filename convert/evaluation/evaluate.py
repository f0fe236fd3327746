"""Evaluates a model in its float and int8 forms, against FER+ and FER2013 labels, on images it was not trained on."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS, Split, clean_split, with_leader
from convert.errors import ConvertError, UnavailableError
from convert.evaluation.end_to_end import measure_end_to_end
from convert.evaluation.provenance import collect_provenance
from convert.evaluation.results import (
    FER2013,
    FERPLUS,
    CalibrationResult,
    Evaluation,
    EvaluationOptions,
    Measurement,
    Probabilities,
    RuntimeComparison,
    RuntimeResult,
)
from convert.evaluation.robustness import measure_robustness
from convert.metrics import (
    accuracy_above,
    accuracy_at_coverage,
    expected_calibration_error,
    reliability_bins,
    score,
)
from convert.progress import PrintLine, ticker
from convert.runtimes import tflite_runtime
from convert.runtimes.inputs import check_fits, network_inputs
from convert.runtimes.keras_model import keras_runtime_name, load_float_model
from convert.runtimes.outputs import with_probabilities
from convert.runtimes.tflite import FloatTfliteModel, Int8Model, runtime_name
from convert.runtimes.tflite_export import to_float_tflite
from edge.vision.classification.manifest import Manifest, ModelInput, load_manifest
from edge.vision.classification.outputs import to_probabilities

COVERAGES: Final = tuple(round(0.05 * step, 2) for step in range(20, 0, -1))
"""Shares of the most confident faces for which the curve gives the accuracy: 1.00, 0.95, to 0.05."""

_SAMPLE_SEED: Final = 41
_QUICK: Final = "left out by --quick"

Form = tuple[str, Probabilities]
"""One form of a model on one runtime: its name, and its probabilities for the measured images."""


def score_form(split: Split, probabilities: Probabilities, runtime: str) -> list[RuntimeResult]:
    """Score one form's probabilities (n, 7) against both kinds of labels."""
    led = split.leader >= 0
    return [
        RuntimeResult(FERPLUS, runtime, score(split.leader[led], probabilities[led])),
        RuntimeResult(FER2013, runtime, score(split.original, probabilities)),
    ]


def label_agreement(first: Probabilities, second: Probabilities) -> float:
    """Return the share of rows with the same most probable label."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def compare_forms(split: Split, forms: Sequence[Form]) -> tuple[RuntimeComparison, ...]:
    """Compare every two forms on the same images."""
    led = split.leader >= 0
    judged = int(led.sum())
    correct = [rows[led].argmax(axis=1) == split.leader[led] for _, rows in forms]
    comparisons = []
    for one, other in combinations(range(len(forms)), 2):
        only_first = int((correct[one] & ~correct[other]).sum())
        only_second = int((~correct[one] & correct[other]).sum())
        comparisons.append(
            RuntimeComparison(
                first=forms[one][0],
                second=forms[other][0],
                images=len(split),
                agreement=label_agreement(forms[one][1], forms[other][1]),
                dataset=FERPLUS,
                judged=judged,
                only_first_right=only_first,
                only_second_right=only_second,
                difference=(only_second - only_first) / judged,
            )
        )
    return tuple(comparisons)


def evaluate(
    model: Path, float_model: Path | None, data: Path, options: EvaluationOptions, print_line: PrintLine
) -> Measurement:
    """Evaluate a .tflite with its manifest, and the float model that it was converted from where one is given.

    Raises ConvertError or ModelError where files cannot be used or do not belong together, CascadeError
    where OpenCV's cascades are missing.
    """
    manifest = load_manifest(model)
    if manifest.labels != LABELS:
        msg = f"model {model} has labels {', '.join(manifest.labels)}; FER2013 can only judge {', '.join(LABELS)}"
        raise ConvertError(msg)
    clean, dropped = clean_split(data, options.split)
    split = _sampled(clean, options.sample)
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
    forms, absent = _float_forms(float_model, manifest.input, inputs, tflite=not options.quick)
    quantized = int8.predict(inputs)
    forms.append((shipped, quantized))
    if options.quick:
        absent.append(f"{tflite_runtime.PACKAGE}, float TensorFlow Lite, robustness, real detector: {_QUICK}")
    else:
        print_line(f"running {len(inputs)} images on {tflite_runtime.PACKAGE} too, if it is installed (10 ms each)")
        try:
            rows, name = tflite_runtime.predict(model.read_bytes(), inputs)
            forms.append((f"{name} {dtype}", rows))
        except UnavailableError as error:
            absent.append(f"{dtype} on {tflite_runtime.PACKAGE}: {error}")
    calibrated = to_probabilities(quantized, manifest.output_kind, manifest.temperature, int8.output.scale)
    led = with_leader(split)
    robustness = detected = None
    if not options.quick:
        robustness = measure_robustness(led, led.leader, int8, manifest, ticker("robustness", print_line))
        detected = measure_end_to_end(led, led.leader, int8, manifest, ticker("detector", print_line))
    evaluation = Evaluation(
        model=manifest.name,
        sha256=manifest.sha256,
        split=options.split,
        whole=len(clean) + dropped,
        dropped=dropped,
        images=len(split),
        results=tuple(result for name, rows in forms for result in score_form(split, rows, name)),
        pairs=compare_forms(split, forms),
        trust=_calibration(led.leader, calibrated[split.leader >= 0], manifest, shipped),
        robustness=robustness or (),
        detected=detected,
        absent=tuple(absent),
        circumstances=collect_provenance(data, float_model),
    )
    return Measurement(evaluation, split, calibrated)


def _sampled(split: Split, count: int | None) -> Split:
    if count is None or count >= len(split):
        return split
    return split.take(np.sort(np.random.default_rng(_SAMPLE_SEED).permutation(len(split))[:count]))


def _float_forms(
    path: Path | None, spec: ModelInput, inputs: NDArray[np.float32], *, tflite: bool
) -> tuple[list[Form], list[str]]:
    """Run the float model with Keras and, converted, with the interpreter; also return why a form is absent."""
    if path is None:
        return [], ["float: no float model beside the model, and none given with --float"]
    model = load_float_model(path)
    check_fits(model, spec)
    model = with_probabilities(model, inputs)
    forms = [(keras_runtime_name(), model.predict(inputs))]
    if not tflite:
        return forms, []
    try:
        converted = FloatTfliteModel(to_float_tflite(model))
    except ConvertError as error:
        return forms, [f"float32 on {runtime_name()}: {error}"]
    return [*forms, (f"{runtime_name()} float32", converted.predict(inputs))], []


def _calibration(
    labels: NDArray[np.int64], probabilities: Probabilities, manifest: Manifest, runtime: str
) -> CalibrationResult:
    threshold = manifest.thresholds.unknown_below
    coverage, covered_accuracy = accuracy_above(labels, probabilities, threshold)
    return CalibrationResult(
        dataset=FERPLUS,
        runtime=runtime,
        images=len(labels),
        temperature=manifest.temperature,
        unknown_below=threshold,
        calibration_error=expected_calibration_error(labels, probabilities),
        bins=reliability_bins(labels, probabilities),
        coverage=coverage,
        covered_accuracy=covered_accuracy,
        curve=tuple(zip(COVERAGES, accuracy_at_coverage(labels, probabilities, COVERAGES), strict=True)),
    )
