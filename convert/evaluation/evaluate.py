"""Evaluates a model in its float and int8 forms, against FER+ and FER2013 labels, on images it was not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import FER2013_FILE, LABELS, Split, clean_split, with_leader
from convert.errors import ConvertError
from convert.evaluation.end_to_end import measure_end_to_end
from convert.evaluation.forms import (
    Form,
    compare_forms,
    float_forms,
    left_out_by_quick,
    load_fitting_float_model,
    measure_calibration,
    missing_float_model,
    tflite_runtime_form,
)
from convert.evaluation.provenance import collect_provenance
from convert.evaluation.results import (
    DETECTOR,
    FER2013,
    FERPLUS,
    ROBUSTNESS,
    Evaluation,
    EvaluationOptions,
    MeasuredFaces,
    Measurement,
    Probabilities,
    RuntimeResult,
    few_images_warning,
)
from convert.evaluation.robustness import measure_robustness
from convert.evaluation.valence import measure_valence
from convert.metrics import score
from convert.progress import Heartbeat
from convert.runtimes.inputs import network_inputs
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.vision.classification.manifest import Manifest, load_manifest
from edge.vision.classification.outputs import to_probabilities

_SAMPLE_SEED: Final = 41


def score_form(split: Split, probabilities: Probabilities, runtime: str) -> list[RuntimeResult]:
    """Score one form's probabilities (n, 7) against both kinds of labels."""
    led = split.leader >= 0
    return [
        RuntimeResult(FERPLUS, runtime, score(split.leader[led], probabilities[led])),
        RuntimeResult(FER2013, runtime, score(split.original, probabilities)),
    ]


def evaluate(
    model: Path, float_model: Path | None, data: Path, options: EvaluationOptions, beat: Heartbeat
) -> Measurement:
    """Evaluate a .tflite with its manifest, and the float model that it was converted from where one is given.

    Raises ConvertError or ModelError where files cannot be used or do not belong together, CascadeError
    where OpenCV's cascades are missing.
    """
    manifest = load_manifest(model)
    if manifest.labels != LABELS:
        msg = (
            f"model {model} has labels {', '.join(manifest.labels)}; FER2013 can only judge {', '.join(LABELS)}: give "
            f"--pictures DIR, a folder of pictures with a folder for each label"
        )
        raise ConvertError(msg)
    beat.status(f"reading {FER2013_FILE}")
    clean, dropped = clean_split(data, options.split)
    split = clean.take(sampled_rows(len(clean), options.sample))
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
    forms: list[Form] = []
    if float_model is None:
        absent = [missing_float_model(model)]
    else:
        loaded = load_fitting_float_model(float_model, manifest.input)
        forms, absent = float_forms(loaded, inputs, beat, quick=options.quick)
    beat.status(f"running {len(inputs)} images on {shipped}")
    quantized = int8.predict(inputs)
    forms.append((shipped, quantized))
    more, reasons = tflite_runtime_form(model, dtype, inputs, options, beat)
    forms += more
    absent += reasons

    def calibrated_form(name: str, rows: Probabilities) -> Probabilities:
        # Float forms end in probabilities, whatever the network ends in.
        kind = "probabilities" if name.endswith("float32") else manifest.output_kind
        return to_probabilities(rows, kind, manifest.temperature, int8.output.scale)

    calibrated = calibrated_form(shipped, quantized)
    led = with_leader(split)
    robustness = detected = sharp = None
    if options.quick:
        absent += left_out_by_quick(ROBUSTNESS, DETECTOR)
    else:
        robustness = measure_robustness(led, led.leader, int8, manifest, beat.counted("robustness"))
        detected = measure_end_to_end(led, led.leader, int8, manifest, beat.counted("detector"))
        sharp = measure_end_to_end(led, led.leader, int8, manifest, beat.counted("sharp faces"), sharp=True)
    public: tuple[RuntimeResult, ...] = ()
    if options.split != "PublicTest" and options.sample is None:
        public = _on_public_test(data, int8, manifest, shipped, beat)
    beat.status("computing the figures")
    results = tuple(result for name, rows in forms for result in score_form(split, rows, name))
    main = next(result.scores for result in results if (result.dataset, result.runtime) == (FERPLUS, shipped))
    evaluation = Evaluation(
        model=manifest.name,
        sha256=manifest.sha256,
        split=options.split,
        whole=len(clean) + dropped,
        dropped=dropped,
        images=len(split),
        results=results,
        pairs=compare_forms(split.leader, forms, FERPLUS),
        trust=measure_calibration(
            led.leader,
            calibrated[split.leader >= 0],
            FERPLUS,
            shipped,
            manifest.temperature,
            manifest.thresholds.unknown_below,
        ),
        robustness=robustness or (),
        detected=detected,
        detected_sharp=sharp,
        not_measured=tuple(absent),
        circumstances=collect_provenance(data / FER2013_FILE, float_model),
        warnings=few_images_warning(main, LABELS, "images"),
        public_test=public,
        valence=tuple(measure_valence(split, calibrated_form(name, rows), name) for name, rows in forms),
    )
    return Measurement(evaluation, faces_of(split), calibrated)


def _on_public_test(
    data: Path, int8: Int8Model, manifest: Manifest, runtime: str, beat: Heartbeat
) -> tuple[RuntimeResult, ...]:
    """Score the int8 model on clean PublicTest against FER+ labels; nothing where no label leads there."""
    led = with_leader(clean_split(data, "PublicTest")[0])
    if not len(led):
        return ()
    beat.status(f"running {len(led)} images of PublicTest on {runtime}")
    probabilities = int8.predict(network_inputs(led.images, manifest.input))
    return (RuntimeResult(FERPLUS, runtime, score(led.leader, probabilities)),)


def sampled_rows(count: int, sample: int | None) -> NDArray[np.int64]:
    """Return the rows to measure of `count`, int64, in order: all, or `sample` drawn at random, always the same."""
    if sample is None or sample >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SAMPLE_SEED).permutation(count)[:sample])


def faces_of(split: Split) -> MeasuredFaces:
    """Return a split's faces with the votes of people, as the page of errors shows them."""
    return MeasuredFaces(
        split.images,
        split.leader,
        [_votes_text(votes) for votes in split.votes],
        [f"row {row}" for row in split.rows],
    )


def _votes_text(votes: Sequence[float] | NDArray[np.float32]) -> str:
    ordered = sorted(zip(votes, LABELS, strict=True), reverse=True)
    return "people: " + ", ".join(f"{label} {100 * share:.0f} %" for share, label in ordered if share > 0)
