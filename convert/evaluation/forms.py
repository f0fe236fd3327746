"""Runs the forms of a model (float and int8, on each interpreter) on the same images, and compares them.

A form that cannot be run here is listed with the reason, and with what measures it.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError, UnavailableError
from convert.evaluation.results import (
    CalibrationResult,
    EvaluationOptions,
    NotMeasured,
    Probabilities,
    RuntimeComparison,
)
from convert.metrics import (
    accuracy_above,
    accuracy_at_coverage,
    calibration_error_interval,
    expected_calibration_error,
    reliability_bins,
    wilson_interval,
)
from convert.progress import Heartbeat
from convert.runtimes import tflite_runtime
from convert.runtimes.inputs import NetworkInputs, check_fits
from convert.runtimes.keras_model import FloatModel, keras_runtime_name, load_float_model
from convert.runtimes.outputs import with_probabilities
from convert.runtimes.tflite import FloatTfliteModel, runtime_name
from convert.runtimes.tflite_export import to_float_tflite
from edge.vision.classification.manifest import ModelInput, find_model, shipped_models

COVERAGES: Final = tuple(round(0.05 * step, 2) for step in range(20, 0, -1))
"""Shares of the most confident faces for which the curve gives the accuracy: 1.00, 0.95, to 0.05."""
_BATCH: Final = 64
_DECIDING: Final = 4096
"""Most images by which the kind of a float model's outputs is decided where its graph does not say it: more than a
split of FER2013 has, and 2.5 GB at 224 pixels in colour."""
_BOTH_FLOAT: Final = "float32 (Keras, TFLite)"
_QUICK: Final = ("left out by --quick", "run it without --quick")

Inputs = NDArray[np.float32] | NetworkInputs
"""float32 (n, height, width, channels), or what gives it."""
Form = tuple[str, Probabilities]
"""One form of a model on one runtime: its name, and its probabilities for the measured images."""


def label_agreement(first: Probabilities, second: Probabilities) -> float:
    """Return the share of rows with the same most probable label."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def compare_forms(labels: NDArray[np.int64], forms: Sequence[Form], dataset: str) -> tuple[RuntimeComparison, ...]:
    """Compare every two forms on the same images. `labels`: int64 (n,) of `dataset`, -1 where an image has none."""
    led = labels >= 0
    judged = int(led.sum())
    correct = [rows[led].argmax(axis=1) == labels[led] for _, rows in forms]
    comparisons = []
    for one, other in combinations(range(len(forms)), 2):
        only_first = int((correct[one] & ~correct[other]).sum())
        only_second = int((~correct[one] & correct[other]).sum())
        comparisons.append(
            RuntimeComparison(
                first=forms[one][0],
                second=forms[other][0],
                images=len(labels),
                agreement=label_agreement(forms[one][1], forms[other][1]),
                dataset=dataset,
                judged=judged,
                only_first_right=only_first,
                only_second_right=only_second,
                difference=(only_second - only_first) / judged,
            )
        )
    return tuple(comparisons)


def find_float_model(tflite: Path, given: Path | None) -> Path | None:
    """Return the float model of a .tflite: the `given` one, else that beside it; None where there is neither."""
    beside = tflite.with_suffix(".keras")
    return given or (beside if beside.exists() else None)


def missing_float_model(tflite: Path) -> NotMeasured:
    """Return why a model's float form is not measured where no float model was found, and how to get it."""
    name = tflite.stem
    if name in shipped_models() and find_model(name) == tflite:
        return NotMeasured(
            _BOTH_FLOAT,
            f"the installed package has no float model of {name}",
            f"give it with --float FILE; it is models/{name}.keras in the source checkout",
        )
    return NotMeasured(
        _BOTH_FLOAT,
        f"there is no float model beside {tflite} ({name}.keras)",
        "give the Keras model that it was converted from with --float FILE",
    )


def float_forms(
    model: FloatModel, inputs: Inputs, beat: Heartbeat, *, quick: bool
) -> tuple[list[Form], list[NotMeasured]]:
    """Run a float model with Keras and, converted, with the interpreter; also return why a form is absent.

    `quick`: leave the interpreter out. Raises ConvertError where the outputs cannot be used.
    """
    beat.status("tracing the float model")
    usable = with_probabilities(model, inputs[:_DECIDING])
    tick = beat.counted(f"running images on {keras_runtime_name()}")
    rows = []
    for start in range(0, len(inputs), _BATCH):
        tick(start, len(inputs))
        rows.append(usable.predict(inputs[start : start + _BATCH]))
    forms = [(keras_runtime_name(), np.concatenate(rows))]
    as_tflite = f"{runtime_name()} float32"
    if quick:
        return forms, [NotMeasured(as_tflite, *_QUICK)]
    beat.status("converting the float model to TensorFlow Lite")
    try:
        converted = FloatTfliteModel(to_float_tflite(usable))
    except ConvertError as error:
        return forms, [NotMeasured(as_tflite, str(error), "")]
    beat.status(f"running {len(inputs)} images on {as_tflite}")
    return [*forms, (as_tflite, converted.predict(inputs))], []


def load_fitting_float_model(path: Path, spec: ModelInput, *, trust_lambda: bool = False) -> FloatModel:
    """Load the float model of a .tflite with the input `spec`. Raises ConvertError where it does not fit.

    `trust_lambda`: as in `load_float_model`.
    """
    model = load_float_model(path, trust_lambda=trust_lambda)
    check_fits(model, spec)
    return model


def tflite_runtime_form(
    tflite: Path, dtype: str, inputs: Inputs, options: EvaluationOptions, beat: Heartbeat
) -> tuple[list[Form], list[NotMeasured]]:
    """Run an integer model on tflite-runtime; return its form, or why there is none.

    `dtype`: of its input.
    """
    what = f"{tflite_runtime.PACKAGE} {dtype}"
    if options.quick:
        return [], [NotMeasured(what, *_QUICK)]
    beat.status(f"running {len(inputs)} images on {tflite_runtime.PACKAGE} (10 ms each)")
    try:
        python = options.tflite_python or tflite_runtime.find_python()
    except UnavailableError as error:
        return [], [NotMeasured(what, str(error), tflite_runtime.how_to_get())]
    try:
        rows, name = tflite_runtime.predict(tflite.read_bytes(), inputs, python)
    except UnavailableError as error:
        return [], [NotMeasured(what, str(error), "")]
    return [(f"{name} {dtype}", rows)], []


def left_out_by_quick(*parts: str) -> list[NotMeasured]:
    """Return one entry for each part of the evaluation that --quick leaves out."""
    return [NotMeasured(part, *_QUICK) for part in parts]


def measure_calibration(  # noqa: PLR0913 - data and what they are
    labels: NDArray[np.int64],
    probabilities: Probabilities,
    dataset: str,
    runtime: str,
    temperature: float,
    unknown_below: float,
) -> CalibrationResult:
    """Measure how well calibrated probabilities (n, labels) match `labels`, int64 (n,), of at least one image."""
    coverage, covered_accuracy = accuracy_above(labels, probabilities, unknown_below)
    covered = round(coverage * len(labels))
    return CalibrationResult(
        dataset=dataset,
        runtime=runtime,
        images=len(labels),
        temperature=temperature,
        unknown_below=unknown_below,
        calibration_error=expected_calibration_error(labels, probabilities),
        bins=reliability_bins(labels, probabilities),
        coverage=coverage,
        covered_accuracy=covered_accuracy,
        curve=tuple(zip(COVERAGES, accuracy_at_coverage(labels, probabilities, COVERAGES), strict=True)),
        calibration_error_interval=calibration_error_interval(labels, probabilities),
        coverage_interval=wilson_interval(covered, len(labels)),
        covered_accuracy_interval=None
        if covered_accuracy is None
        else wilson_interval(round(covered_accuracy * covered), covered),
    )
