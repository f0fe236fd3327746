"""From a trained model to what ships: quantized, calibrated, measured, with its manifest."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from convert.data.fer2013 import LABELS, clean_split
from convert.errors import ConvertError
from convert.evaluation.evaluate import (
    FERPLUS,
    Probabilities,
    float_runtime,
    label_agreement,
    network_inputs,
    results,
)
from convert.files import write_atomically
from convert.metrics import above, calibration_error, fit_temperature, threshold_for_coverage
from convert.quantization.calibration import training_faces
from convert.quantization.study import DEFAULT_SET, HEADER, Judge, choose, input_of, to_row, trials
from convert.runtimes.keras_model import FloatModel, load_float_model
from convert.runtimes.tflite import Int8Model, runtime_name
from convert.training.train import BEST, save_bare
from edge.manifest import MODEL_SUFFIX, Manifest, Metric, ModelInput, Thresholds, encode_manifest, manifest_path
from edge.preprocess import calibrate

CROP_MARGIN: Final = 0.0
"""Chosen on PublicTest through the real detector (`emotion-convert margin`; models/README.md has the figures)."""
COVERAGE: Final = 0.95
"""Share of PublicTest faces that keep a label; the least sure twentieth is "unknown"."""
VALUE_RANGE: Final = (-1.0, 1.0)
LICENCE: Final = (
    "Apache-2.0; trained on FER2013 (research use) with FER+ labels (MIT) from ImageNet weights (Apache-2.0)"
)
INTENDED_USE: Final = (
    "Reading the visible expression of consenting people near a sensor. Not for identifying anyone, and not "
    "for judging what a person feels, intends or is worth; see the model card"
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Description:
    """What a manifest says that no measurement can: how to feed the model, and what it is for."""

    name: str
    labels: tuple[str, ...]
    crop_margin: float
    temperature: float
    unknown_below: float
    licence: str
    intended_use: str
    metrics: tuple[Metric, ...] = ()


def write_model(content: bytes, spec: ModelInput, about: Description, folder: Path) -> Path:
    """Write NAME.tflite and NAME.json into a folder and return the first.

    The manifest goes last: a kill between the two leaves a pair that `edge` refuses, never a wrong one.
    """
    path = folder / f"{about.name}{MODEL_SUFFIX}"
    manifest = Manifest(
        name=about.name,
        sha256=hashlib.sha256(content).hexdigest(),
        labels=about.labels,
        input=spec,
        quantization=Int8Model(content).quantization,
        crop_margin=about.crop_margin,
        temperature=about.temperature,
        thresholds=Thresholds(unknown_below=about.unknown_below),
        metrics=about.metrics,
        licence=about.licence,
        intended_use=about.intended_use,
    )
    encoded = encode_manifest(manifest)
    try:
        msgspec.json.decode(encoded, type=Manifest)
    except msgspec.ValidationError as error:  # an option out of range, which `edge` would refuse later
        msg = f"manifest of {about.name}: {error}"
        raise ConvertError(msg) from error
    try:
        write_atomically(path, content)
        write_atomically(manifest_path(path), encoded)
    except OSError as error:
        msg = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise ConvertError(msg) from error
    return path


def export(run: Path, data: Path, target: Path, say: Say) -> None:
    """Export a run's best model to `target` (a .tflite path), with its manifest and the float model beside it.

    Method of quantization (`quantstudy.choose`), temperature and threshold are chosen on PublicTest;
    PrivateTest is only reported. Raises ConvertError where the run has no model yet or the folder
    cannot be written.
    """
    source = run / BEST
    if not source.is_file():
        msg = f"{run} holds no finished run: {source} does not exist"
        raise ConvertError(msg)
    model = load_float_model(source)
    spec = input_of(model, VALUE_RANGE)
    say("quantizing in two ways, for the one that keeps more of the float model's labels on PublicTest")
    pictures = training_faces(data, DEFAULT_SET.count, DEFAULT_SET.kind)
    found = trials(Judge(model, spec, data), pictures, str(DEFAULT_SET))
    chosen = choose(found)
    say("\n".join([HEADER, *map(to_row, found), f"chosen: {chosen.method}"]))
    content = chosen.content
    say("measuring on PublicTest and PrivateTest")
    write_model(content, spec, _described(target.stem, model, Int8Model(content), data), target.parent)
    save_bare(model.owner, target.with_suffix(".keras"))


def _described(name: str, model: FloatModel, int8: Int8Model, data: Path) -> Description:
    public = _Measured("PublicTest", model, int8, data)
    temperature = round(fit_temperature(public.quantized[public.led], public.labels, int8.output.scale), 3)
    threshold = threshold_for_coverage(public.calibrated(temperature), COVERAGE)
    private = _Measured("PrivateTest", model, int8, data)
    return Description(
        name=name,
        labels=LABELS,
        crop_margin=CROP_MARGIN,
        temperature=temperature,
        unknown_below=threshold,
        licence=LICENCE,
        intended_use=INTENDED_USE,
        metrics=tuple(metric for part in (public, private) for metric in part.metrics(temperature, threshold)),
    )


class _Measured:
    """Both models' probabilities on one clean split, and the figures that follow."""

    def __init__(self, split_name: str, model: FloatModel, int8: Int8Model, data: Path) -> None:
        self.split, _ = clean_split(data, split_name)
        inputs = network_inputs(self.split.images, input_of(model, VALUE_RANGE))
        self.quantized, self.reference = int8.predict(inputs), model.predict(inputs)
        self.led = self.split.leader >= 0
        self.labels = self.split.leader[self.led]
        self._int8 = int8

    def calibrated(self, temperature: float) -> Probabilities:
        """Probabilities as `edge` gives them, of the images that have a FER+ majority."""
        return calibrate(self.quantized[self.led], temperature, self._int8.output.scale)

    def metrics(self, temperature: float, threshold: float) -> list[Metric]:
        """Every figure that the manifest carries for this split."""
        runtime = f"{runtime_name()} {self._int8.input.dtype}"
        metrics: list[Metric] = []

        def add(name: str, value: float, dataset: str, images: int, by: str = runtime) -> None:
            where = f"{self.split.name} without images of Training"
            value = round(value, 4)
            metrics.append(Metric(name=name, value=value, dataset=dataset, split=where, images=images, runtime=by))

        both = ((self.quantized, runtime), (self.reference, float_runtime()))
        for found in [result for rows, by in both for result in results(self.split, rows, by)]:
            add("accuracy", found.scores.accuracy, found.dataset, found.scores.images, found.runtime)
            add("macro_recall", found.scores.macro_recall, found.dataset, found.scores.images, found.runtime)
        rows = self.calibrated(temperature)
        coverage, covered_accuracy = above(self.labels, rows, threshold)
        add("calibration_error", calibration_error(self.labels, rows), FERPLUS, len(self.labels))
        add("coverage", coverage, FERPLUS, len(self.labels))
        if covered_accuracy is not None:
            add("covered_accuracy", covered_accuracy, FERPLUS, round(coverage * len(self.labels)))
        lost = (self.reference.argmax(axis=1) == self.split.leader)[self.led].mean()
        lost -= (self.quantized.argmax(axis=1) == self.split.leader)[self.led].mean()
        add("accuracy_lost_to_float", float(lost), FERPLUS, len(self.labels))
        add("same_label_as_float", label_agreement(self.quantized, self.reference), "FER2013", len(self.split))
        return metrics
