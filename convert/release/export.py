"""Exports a trained model: quantizes, calibrates and measures it, and writes it with its manifest."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from convert.data.fer2013 import LABELS, clean_split
from convert.errors import ConvertError, os_error_text
from convert.evaluation.evaluate import score_form
from convert.evaluation.forms import label_agreement
from convert.evaluation.results import FER2013, FERPLUS, Probabilities
from convert.evaluation.valence import measure_valence
from convert.files import write_atomically
from convert.metrics import accuracy_above, expected_calibration_error, fit_temperature, threshold_for_coverage
from convert.progress import Heartbeat
from convert.quantization.study import quantize_for_release
from convert.release.neutral_reading import reading_on_public_test
from convert.runtimes.inputs import describe_input, network_inputs
from convert.runtimes.keras_model import FloatModel, keras_runtime_name, load_float_model
from convert.runtimes.tflite import Int8Model, runtime_name
from convert.training.run_folder import best_model, recipe_in, unfinished_warning
from convert.training.train import save_without_optimizer
from edge.vision.classification.manifest import (
    MODEL_SUFFIX,
    Manifest,
    Metric,
    ModelInput,
    NeutralReading,
    Quantization,
    TensorQuantization,
    Thresholds,
    encode_manifest,
    manifest_path,
)
from edge.vision.classification.outputs import OutputKind, calibrate

CROP_MARGIN: Final = 0.0
"""Margin around the face box, chosen on PublicTest through the real detector (`emotion-convert margin`;
models/README.md has the figures)."""
COVERAGE: Final = 0.95
"""Share of PublicTest faces that keep a label; the least confident twentieth becomes "unknown"."""
VALUE_RANGE: Final = (-1.0, 1.0)
DETAIL_PX: Final = 64
"""`input.detail_px` of a network that learnt from FER2013's pictures of 48 pixels, chosen on PublicTest, sharpened and
not (docs/design.md has the figures). Those pictures themselves are not changed by it."""
LICENCE: Final = (
    "Apache-2.0; trained on FER2013 (research use) with FER+ labels (MIT) from ImageNet weights (Apache-2.0)"
)
LICENCE_WITH_TEACHER: Final = f"{LICENCE}, and on answers of a teacher, which the model card names"
INTENDED_USE: Final = (
    "Reading the visible expression of consenting people near a sensor. Not for identifying anyone, and not "
    "for judging what a person feels, intends or is worth; see the model card"
)


@dataclass(frozen=True)
class ModelDescription:
    """The contents of a manifest that are not read from the model file. The fields are those of `Manifest`."""

    name: str
    labels: tuple[str, ...]
    crop_margin: float
    temperature: float
    unknown_below: float
    licence: str
    intended_use: str
    metrics: tuple[Metric, ...] = ()
    outputs: OutputKind = "probabilities"
    neutral_reading: NeutralReading | UnsetType = UNSET


def encode_description(
    description: ModelDescription, spec: ModelInput, quantization: TensorQuantization, sha256: str
) -> bytes:
    """Return the content of a manifest. Raises ConvertError where a value is out of range: `edge` would refuse it."""
    manifest = Manifest(
        name=description.name,
        sha256=sha256,
        labels=description.labels,
        input=spec,
        quantization=quantization,
        crop_margin=description.crop_margin,
        temperature=description.temperature,
        thresholds=Thresholds(unknown_below=description.unknown_below),
        # Not written for probabilities: versions before this key refuse a manifest that has it.
        outputs=UNSET if description.outputs == "probabilities" else description.outputs,
        neutral_reading=description.neutral_reading,
        metrics=description.metrics,
        licence=description.licence,
        intended_use=description.intended_use,
    )
    encoded = encode_manifest(manifest)
    try:
        msgspec.json.decode(encoded, type=Manifest)
    except msgspec.ValidationError as error:
        msg = f"manifest of {description.name}: {error}"
        raise ConvertError(msg) from error
    return encoded


def check_description(description: ModelDescription, spec: ModelInput) -> None:
    """Raise ConvertError where a manifest could not hold the description, before a model is converted for it."""
    any_scale = Quantization(dtype="int8", scale=1.0, zero_point=0)
    encode_description(description, spec, TensorQuantization(input=any_scale, output=any_scale), "0" * 64)


def write_model(content: bytes, spec: ModelInput, description: ModelDescription, folder: Path) -> Path:
    """Write NAME.tflite and NAME.json into a folder and return the path of the first.

    The manifest is written last: after a kill between the two `edge` refuses the pair, because the old manifest
    does not match the new model. Raises ConvertError where a value is out of range or a file cannot be written.
    """
    path = folder / f"{description.name}{MODEL_SUFFIX}"
    digest = hashlib.sha256(content).hexdigest()
    encoded = encode_description(description, spec, Int8Model(content).quantization, digest)
    try:
        write_atomically(path, content)
        write_atomically(manifest_path(path), encoded)
    except OSError as error:
        raise ConvertError(os_error_text(error, "written", folder)) from error
    return path


def export(run: Path, data: Path, target: Path, heartbeat: Heartbeat) -> None:
    """Export a run's best model to `target`, a .tflite path, with its manifest and the float model beside it.

    Method of quantization, temperature and threshold are chosen on PublicTest; PrivateTest is only measured.
    Raises ConvertError where the run has no model yet or the folder cannot be written.
    """
    best = best_model(run)
    warning = unfinished_warning(run)
    if warning is not None:
        heartbeat.line(warning)
    model = load_float_model(best)
    spec = _with_detail(describe_input(model, VALUE_RANGE))
    content = quantize_for_release(model, spec, data, heartbeat)
    heartbeat.step("measuring on PublicTest and PrivateTest")
    recipe = recipe_in(run)
    licence = LICENCE_WITH_TEACHER if recipe is not None and recipe.teacher_share else LICENCE
    description = _measured_description(target.stem, licence, model, spec, Int8Model(content), data)
    write_model(content, spec, description, target.parent)
    save_without_optimizer(model.owner, target.with_suffix(".keras"))


def _with_detail(spec: ModelInput) -> ModelInput:
    """State the detail of the training pictures, unless the input has no more pixels itself."""
    return msgspec.structs.replace(spec, detail_px=DETAIL_PX) if max(spec.width, spec.height) > DETAIL_PX else spec


def _measured_description(  # noqa: PLR0913 - what a manifest states, and what it is measured on
    name: str, licence: str, model: FloatModel, spec: ModelInput, int8: Int8Model, data: Path
) -> ModelDescription:
    public = _SplitMetrics("PublicTest", model, spec, int8, data)
    temperature = round(fit_temperature(public.quantized[public.led], public.labels, int8.output.scale), 3)
    threshold = threshold_for_coverage(public.calibrated(temperature), COVERAGE)
    private = _SplitMetrics("PrivateTest", model, spec, int8, data)
    return ModelDescription(
        name=name,
        labels=LABELS,
        crop_margin=CROP_MARGIN,
        temperature=temperature,
        unknown_below=threshold,
        neutral_reading=reading_on_public_test(
            calibrate(public.quantized, temperature, int8.output.scale), public.split, public.runtime
        ),
        licence=licence,
        intended_use=INTENDED_USE,
        metrics=tuple(metric for part in (public, private) for metric in part.metrics(temperature, threshold)),
    )


class _SplitMetrics:
    """The probabilities of the float and the int8 model on one clean split, and the metrics of both."""

    def __init__(self, split_name: str, model: FloatModel, spec: ModelInput, int8: Int8Model, data: Path) -> None:
        self.split, _ = clean_split(data, split_name)
        inputs = network_inputs(self.split.images, spec)
        self.quantized, self.reference = int8.predict(inputs), model.predict(inputs)
        self.led = self.split.leader >= 0
        self.labels = self.split.leader[self.led]
        self._int8 = int8
        self.runtime = f"{runtime_name()} {int8.input.dtype}"

    def calibrated(self, temperature: float) -> Probabilities:
        """Return the probabilities, calibrated as in `edge`, of the images with a FER+ majority."""
        return calibrate(self.quantized[self.led], temperature, self._int8.output.scale)

    def metrics(self, temperature: float, threshold: float) -> list[Metric]:
        """Return the metrics of this split for the manifest."""
        runtime = self.runtime
        metrics: list[Metric] = []

        def add(name: str, value: float, dataset: str, images: int, by: str = runtime) -> None:
            split = f"{self.split.name} without images of Training"
            value = round(value, 4)
            metrics.append(Metric(name=name, value=value, dataset=dataset, split=split, images=images, runtime=by))

        forms = ((self.quantized, runtime), (self.reference, keras_runtime_name()))
        for result in [result for rows, by in forms for result in score_form(self.split, rows, by)]:
            add("accuracy", result.scores.accuracy, result.dataset, result.scores.images, result.runtime)
            add("macro_recall", result.scores.macro_recall, result.dataset, result.scores.images, result.runtime)
        calibrated = self.calibrated(temperature)
        for rows, by in forms:
            valence = measure_valence(self.split, calibrate(rows, temperature, self._int8.output.scale), by)
            if valence.correlation is not None:
                add("valence_correlation", valence.correlation, valence.dataset, valence.images, by)
        coverage, covered_accuracy = accuracy_above(self.labels, calibrated, threshold)
        add("calibration_error", expected_calibration_error(self.labels, calibrated), FERPLUS, len(self.labels))
        add("coverage", coverage, FERPLUS, len(self.labels))
        if covered_accuracy is not None:
            add("covered_accuracy", covered_accuracy, FERPLUS, round(coverage * len(self.labels)))
        lost = (self.reference.argmax(axis=1) == self.split.leader)[self.led].mean()
        lost -= (self.quantized.argmax(axis=1) == self.split.leader)[self.led].mean()
        add("accuracy_lost_to_float", float(lost), FERPLUS, len(self.labels))
        add("same_label_as_float", label_agreement(self.quantized, self.reference), FER2013, len(self.split))
        return metrics
