"""Loads any Keras model that classifies images, and runs it."""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.tensorflow import discard_stderr
from edge.vision.classification.outputs import OutputKind

_DIMENSIONS: Final = 4
_CHANNELS: Final = (1, 3)
_UNKNOWN_OBJECT: Final = re.compile(r"(?:Could not locate (?:class|function)|Unknown layer:?) '([^']+)'")
"""How Keras names a class or a function that it does not know."""


class _Depthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """Accepts `groups: 1`, which Keras 2 wrote into every depthwise layer of an .h5 and Keras 3 refuses."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        options.pop("groups", None)
        super().__init__(*arguments, **options)


@dataclass(frozen=True)
class FloatModel:
    """A loaded float model.

    `call`: maps a tensor float32 (n, height, width, channels) to a tensor (n, outputs) in inference mode;
    traced once per batch size. `owner`: keeps the variables alive that `call` uses. `kind`: what the outputs are, None
    while that is not known (`convert.runtimes.outputs`). `tflite`: the network as a float .tflite, where it came so
    from another framework and has no TensorFlow graph. `original`: the network in that framework, as `predict`.
    """

    path: Path
    call: Callable[[Any], Any]
    height: int
    width: int
    channels: int
    outputs: int
    owner: Any
    kind: OutputKind | None = None
    tflite: bytes | None = None
    original: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None

    def predict(self, inputs: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
        """Run the model on float32 (n, height, width, channels); return float32 (n, outputs)."""
        rows = [self.call(tf.constant(inputs[at : at + batch])).numpy() for at in range(0, len(inputs), batch)]
        return np.asarray(np.concatenate(rows), dtype=np.float32)


def keras_runtime_name() -> str:
    """Return name and version of the runtime of float models, for figures."""
    return f"keras {keras.__version__} float32"


def load_float_model(path: Path, *, trust_lambda: bool = False) -> FloatModel:
    """Load a `.keras` file, an `.h5` file (of Keras 2 as well) or a SavedModel folder.

    `trust_lambda`: run the Python code of Lambda layers, which the file contains. Raises ConvertError where the model
    cannot be loaded, does not classify images of a fixed size, or has weights that are not finite.
    """
    if not path.exists():
        msg = f"model {path} does not exist"
        raise ConvertError(msg)
    try:
        with discard_stderr():
            model = _load_saved_model(path) if path.is_dir() else _load_keras(path, trust_lambda=trust_lambda)
    except ConvertError:
        raise
    except Exception as error:  # TensorFlow and h5py raise any type for a damaged file
        raise ConvertError(_load_error(path, error)) from error
    _check_weights(model)
    return model


def _load_error(path: Path, error: Exception) -> str:
    text = str(error)
    if "Lambda" in text and "safe_mode" in text:
        return (
            f"model {path} has a Lambda layer, which is Python code in the file that runs when it is loaded: give "
            "--trust-lambda if you trust whoever made the file, or build the model without Lambda layers"
        )
    unknown = _UNKNOWN_OBJECT.search(text)
    if unknown is not None:
        return (
            f"model {path} needs {unknown[1]!r}, a class or function of the program that made it, which the file does "
            "not contain: save it there as a SavedModel (model.export(FOLDER)), which needs no Python code"
        )
    reason = reason_of(error)
    if path.suffix == ".keras" and path.is_file() and not zipfile.is_zipfile(path):
        reason = "the file is cut off, or of another format"  # Keras says that it does not exist
    return f"model {path} cannot be loaded as a Keras model (.keras, .h5) or SavedModel folder: {reason}"


@contextmanager
def _usual_names_in_lambdas() -> Iterator[None]:
    """Give the function of each Lambda layer that is loaded meanwhile the names that model code usually imports.

    Keras stores only the function's code. Files of Keras 3 find the class by its module, so that no custom object can
    take its place.
    """
    load, stored = keras.layers.Lambda.from_config, vars(keras.layers.Lambda)["from_config"]

    def with_names(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        layer = load(*arguments, **options)
        function = layer.function
        if isinstance(function, FunctionType):
            names = {"tf": tf, "keras": keras, "K": keras.backend, "ops": keras.ops, "np": np, **function.__globals__}
            layer.function = FunctionType(
                function.__code__, names, function.__name__, function.__defaults__, function.__closure__
            )
        return layer

    keras.layers.Lambda.from_config = with_names
    try:
        yield
    finally:
        keras.layers.Lambda.from_config = stored


def _load_keras(path: Path, *, trust_lambda: bool) -> FloatModel:
    known = {"DepthwiseConv2D": _Depthwise}
    with _usual_names_in_lambdas() if trust_lambda else nullcontext():
        model = keras.models.load_model(path, compile=False, custom_objects=known, safe_mode=not trust_lambda)
    if not getattr(model, "inputs", None):
        msg = (
            f"model {path} has no input of a known shape, or a Lambda layer in it fails: build it from "
            "keras.Input(...) on, or save it as a SavedModel (model.export(FOLDER))"
        )
        raise ConvertError(msg)
    _check_one_each(f"model {path}", len(model.inputs), len(model.outputs))
    return _checked(path, lambda x: model(x, training=False), model.inputs[0].shape, model.outputs[0].shape, model)


def _check_weights(model: FloatModel) -> None:
    weights: Iterable[Any] = getattr(model.owner, "weights", None) or getattr(model.owner, "variables", None) or ()
    for weight in weights:
        values = np.asarray(weight)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            name = getattr(weight, "path", weight.name)
            count = int((~np.isfinite(values)).sum())
            msg = (
                f"model {model.path} is damaged: {count} of the {values.size} weights of {name} are not finite (NaN or "
                "infinite), as after a training that diverged; use an earlier checkpoint"
            )
            raise ConvertError(msg)


def _load_saved_model(path: Path) -> FloatModel:
    loaded = tf.saved_model.load(path)
    signatures = dict(loaded.signatures)
    signature = signatures.get("serving_default") or next(iter(signatures.values()), None)
    if signature is None:
        msg = f"SavedModel {path} has no signature to call"
        raise ConvertError(msg)
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    _check_one_each(f"SavedModel {path}", len(inputs), len(outputs))
    ((name, tensor),), (output,) = inputs.items(), outputs
    return _checked(path, lambda x: signature(**{name: x})[output], tensor.shape, outputs[output].shape, loaded)


def _check_one_each(model: str, inputs: int, outputs: int) -> None:
    if (inputs, outputs) != (1, 1):
        msg = f"{model} has {inputs} inputs and {outputs} outputs; one of each is needed"
        raise ConvertError(msg)


def _hint(shape: tuple[int | None, ...]) -> str:
    """Return what to do about an input shape, as the end of a sentence; empty where that is not known."""
    if len(shape) != _DIMENSIONS:
        return ""
    if shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        return ": the channels are first; build it with the channels last"
    if None in shape[1:]:
        return ": build it with the size of its training, as in keras.Input((96, 96, 1))"
    return ""


def _checked(path: Path, call: Callable[[Any], Any], inputs: Any, outputs: Any, owner: Any) -> FloatModel:  # noqa: ANN401
    shape, scores = tuple(inputs), tuple(outputs)
    if len(shape) != _DIMENSIONS or None in shape[1:] or shape[-1] not in _CHANNELS:
        msg = f"model {path} takes {shape}, not (images, height, width, 1 or 3 channels) of a fixed size{_hint(shape)}"
        raise ConvertError(msg)
    if len(scores) != 2 or not scores[1] or scores[1] < 2:  # noqa: PLR2004 - (images, at least two classes)
        msg = f"model {path} gives {scores}, not one row of class scores per image"
        raise ConvertError(msg)
    height, width, channels = (int(size) for size in shape[1:])
    traced = tf.function(call, reduce_retracing=True)
    return FloatModel(path, traced, height, width, channels, int(scores[1]), owner)
