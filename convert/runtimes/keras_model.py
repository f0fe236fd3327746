"""Loads any Keras model that classifies images, and runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.tensorflow import discard_stderr

_DIMENSIONS: Final = 4
_CHANNELS: Final = (1, 3)
_SAMPLES: Final = 8
"""Number of images that decide whether outputs are probabilities; one would be enough."""
_SUM_TOLERANCE: Final = 1e-2
"""Tolerance of the sum of the outputs: softmax outputs sum to 1 within float error; logits and sigmoids miss 1 by far
more than this."""


class _Depthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """Accepts `groups: 1`, which Keras 2 wrote into every depthwise layer of an .h5 and Keras 3 refuses."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        options.pop("groups", None)
        super().__init__(*arguments, **options)


@dataclass(frozen=True)
class FloatModel:
    """A loaded float model.

    `call`: maps a tensor float32 (n, height, width, channels) to a tensor (n, outputs) in inference mode;
    traced once per batch size. `owner`: keeps the variables alive that `call` uses.
    """

    path: Path
    call: Callable[[Any], Any]
    height: int
    width: int
    channels: int
    outputs: int
    owner: Any

    def predict(self, inputs: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
        """Run the model on float32 (n, height, width, channels); return float32 (n, outputs)."""
        rows = [self.call(tf.constant(inputs[at : at + batch])).numpy() for at in range(0, len(inputs), batch)]
        return np.asarray(np.concatenate(rows), dtype=np.float32)


def keras_runtime_name() -> str:
    """Return name and version of the runtime of float models, for figures."""
    return f"keras {keras.__version__} float32"


def load_float_model(path: Path) -> FloatModel:
    """Load a `.keras` file, an `.h5` file (of Keras 2 as well) or a SavedModel folder.

    Raises ConvertError where it cannot be loaded, or does not classify images of a fixed size.
    """
    if not path.exists():
        msg = f"model {path} does not exist"
        raise ConvertError(msg)
    try:
        with discard_stderr():
            return _load_saved_model(path) if path.is_dir() else _load_keras(path)
    except ConvertError:
        raise
    except Exception as error:  # TensorFlow and h5py raise any type for a damaged file
        msg = f"model {path} cannot be loaded as a Keras model (.keras, .h5) or SavedModel folder: {reason_of(error)}"
        raise ConvertError(msg) from error


def _load_keras(path: Path) -> FloatModel:
    model = keras.models.load_model(path, compile=False, custom_objects={"DepthwiseConv2D": _Depthwise})
    _check_one_each(f"model {path}", len(model.inputs), len(model.outputs))
    return _checked(path, lambda x: model(x, training=False), model.inputs[0].shape, model.outputs[0].shape, model)


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


def _checked(path: Path, call: Callable[[Any], Any], inputs: Any, outputs: Any, owner: Any) -> FloatModel:  # noqa: ANN401
    shape, scores = tuple(inputs), tuple(outputs)
    if len(shape) != _DIMENSIONS or None in shape[1:] or shape[-1] not in _CHANNELS:
        msg = f"model {path} takes {shape}, not (images, height, width, 1 or 3 channels) of a fixed size"
        raise ConvertError(msg)
    if len(scores) != 2 or not scores[1] or scores[1] < 2:  # noqa: PLR2004 - (images, at least two classes)
        msg = f"model {path} gives {scores}, not one row of class scores per image"
        raise ConvertError(msg)
    height, width, channels = (int(size) for size in shape[1:])
    traced = tf.function(call, reduce_retracing=True)
    return FloatModel(path, traced, height, width, channels, int(scores[1]), owner)


def with_probabilities(model: FloatModel, samples: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> FloatModel:
    """Return the model itself where its outputs are probabilities, else the model with a softmax appended.

    `edge` needs probabilities. The first eight of `samples`, each float32 (height, width, channels), decide.
    Raises ConvertError where an output is not finite.
    """
    scores = model.predict(np.asarray(samples[:_SAMPLES], dtype=np.float32))
    if not np.isfinite(scores).all():
        msg = f"model {model.path} gives values that are not finite on the calibration images"
        raise ConvertError(msg)
    if scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < _SUM_TOLERANCE:
        return model
    return replace(model, call=tf.function(lambda x: tf.nn.softmax(model.call(x)), reduce_retracing=True))
