"""Describes the model that is measured on pictures: a .tflite with its manifest, or a Keras model with options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.evaluation.forms import find_float_model, load_fitting_float_model
from convert.evaluation.provenance import sha256
from convert.progress import PrintLine
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import FloatModel, load_float_model
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import (
    MODEL_SUFFIX,
    Manifest,
    ModelInput,
    find_model,
    load_manifest,
    manifest_path,
    shipped_models,
)

KERAS_SUFFIXES: Final = (".keras", ".h5")
_UNKNOWN_BELOW: Final = 0.4
"""Threshold of a model without a manifest, as `quantize` writes it."""
_DEFAULT_RANGE: Final = (-1.0, 1.0)


@dataclass(frozen=True)
class ModelOptions:
    """What the command line says about a model; None where it says nothing.

    `labels`, `value_range`, `colour`, `unknown_below`: of a Keras model. `crop_margin`: instead of the manifest's.
    `float_model`: that a .tflite was converted from. `trust_lambda`: run the code of Lambda layers.
    """

    labels: tuple[str, ...] | None = None
    value_range: tuple[float, float] | None = None
    colour: str | None = None
    unknown_below: float | None = None
    crop_margin: float | None = None
    float_model: Path | None = None
    trust_lambda: bool = False

    @property
    def given(self) -> list[str]:
        """Names of the options that describe a Keras model and were given."""
        pairs = {
            "--labels": self.labels,
            "--range": self.value_range,
            "--colour": self.colour,
            "--unknown-below": self.unknown_below,
        }
        return [name for name, value in pairs.items() if value is not None]


@dataclass(frozen=True)
class EvaluatedModel:
    """A model that is measured on pictures.

    `path`: as given. `classifier`: the device's, of a .tflite; None for a Keras model. `float_model`: a Keras model,
    or the one that the .tflite was converted from; None where there is none. At least one of both is there.
    """

    name: str
    path: Path
    sha256: str
    labels: tuple[str, ...]
    input: ModelInput
    crop_margin: float
    temperature: float
    unknown_below: float
    classifier: Classifier | None
    float_model: FloatModel | None


def is_keras_model(name: str) -> bool:
    """Return whether the argument MODEL means a Keras model: .keras, .h5, or a SavedModel folder."""
    return Path(name).suffix in KERAS_SUFFIXES or (Path(name).is_dir() and name not in shipped_models())


def open_model(name: str, options: ModelOptions, print_line: PrintLine) -> EvaluatedModel:
    """Load the model that the argument MODEL names; says through `print_line` what was assumed.

    Raises ConvertError or ModelError where it, its manifest or an option cannot be used.
    """
    return _open_keras(Path(name), options, print_line) if is_keras_model(name) else _open_tflite(name, options)


def _open_tflite(name: str, options: ModelOptions) -> EvaluatedModel:
    path = find_model(name)
    if options.given:
        msg = f"{options.given[0]} describes a Keras model, but {path} has a manifest that states it: leave it out"
        raise ConvertError(msg)
    classifier = Classifier(path)
    manifest = classifier.manifest
    float_path = find_float_model(path, options.float_model)
    loaded = (
        None
        if float_path is None
        else load_fitting_float_model(float_path, manifest.input, trust_lambda=options.trust_lambda)
    )
    if loaded is not None:
        _check_outputs(loaded, manifest.labels, f"manifest {manifest_path(path)}")
    return EvaluatedModel(
        name=manifest.name,
        path=path,
        sha256=manifest.sha256,
        labels=manifest.labels,
        input=manifest.input,
        crop_margin=_margin(options, manifest.crop_margin),
        temperature=manifest.temperature,
        unknown_below=manifest.thresholds.unknown_below,
        classifier=classifier,
        float_model=loaded,
    )


def _open_keras(path: Path, options: ModelOptions, print_line: PrintLine) -> EvaluatedModel:
    if options.float_model is not None:
        msg = f"--float {options.float_model} belongs to a {MODEL_SUFFIX}, but {path} is a Keras model already"
        raise ConvertError(msg)
    model = load_float_model(path, trust_lambda=options.trust_lambda)
    manifest = _manifest_beside(path)
    if manifest is not None and not options.given:
        print_line(f"labels, range and colour are those of {manifest_path(path)}")
        labels, spec = manifest.labels, manifest.input
    else:
        manifest = None
        labels = _labels(path, model, options, print_line)
        if options.value_range is None:
            print_line("no --range: pixels are scaled to -1 to 1")
        spec = describe_input(model, options.value_range or _DEFAULT_RANGE, options.colour)
    _check_outputs(model, labels, "--labels" if manifest is None else f"manifest {manifest_path(path)}")
    threshold = _UNKNOWN_BELOW if manifest is None else manifest.thresholds.unknown_below
    return EvaluatedModel(
        name=path.stem,
        path=path,
        sha256=sha256(path),
        labels=labels,
        input=spec,
        crop_margin=_margin(options, 0.0 if manifest is None else manifest.crop_margin),
        temperature=1.0 if manifest is None else manifest.temperature,
        unknown_below=threshold if options.unknown_below is None else options.unknown_below,
        classifier=None,
        float_model=model,
    )


def _manifest_beside(path: Path) -> Manifest | None:
    """Return the manifest of the .tflite that was made of a Keras model, where both lie beside it."""
    tflite = path.with_suffix(MODEL_SUFFIX)
    return load_manifest(tflite) if tflite.is_file() and manifest_path(tflite).is_file() else None


def _labels(path: Path, model: FloatModel, options: ModelOptions, print_line: PrintLine) -> tuple[str, ...]:
    if options.labels is not None:
        return options.labels
    if model.outputs != len(LABELS):
        msg = (
            f"model {path} has {model.outputs} outputs and no manifest: give their names in this order with --labels "
            f"A,B,..."
        )
        raise ConvertError(msg)
    print_line(f"no --labels: the outputs are taken to be {','.join(LABELS)}, in this order")
    return LABELS


def _check_outputs(model: FloatModel, labels: tuple[str, ...], source: str) -> None:
    if len(labels) != model.outputs:
        msg = f"model {model.path} has {model.outputs} outputs, but {source} names {len(labels)}: {','.join(labels)}"
        raise ConvertError(msg)


def _margin(options: ModelOptions, default: float) -> float:
    return default if options.crop_margin is None else options.crop_margin
