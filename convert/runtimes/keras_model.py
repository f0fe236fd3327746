"""Any Keras model that a user brings, as one function from pictures to class scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.tensorflow import quiet

_DIMENSIONS: Final = 4
_CHANNELS: Final = (1, 3)
_PROBE: Final = 8
"""Pictures on which it is decided whether outputs are probabilities: each alone would do."""
_SUM_TOLERANCE: Final = 1e-2
"""Softmax outputs sum to 1 within float error; logits and sigmoids miss it by far more than this."""


class _Depthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """Keras 2 wrote `groups: 1` into every depthwise layer of an .h5, which Keras 3 refuses to read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        options.pop("groups", None)
        super().__init__(*arguments, **options)


@dataclass(frozen=True)
class FloatModel:
    """A loaded model.

    `call`: a tensor float32 (n, height, width, channels) to a tensor (n, outputs), in inference mode,
    traced once per batch size.
    `owner` keeps the variables alive that `call` uses.
    """

    path: Path
    call: Callable[[Any], Any]
    height: int
    width: int
    channels: int
    outputs: int
    owner: Any

    def predict(self, inputs: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
        """Run float32 (n, height, width, channels) through the model; float32 (n, outputs)."""
        rows = [self.call(tf.constant(inputs[at : at + batch])).numpy() for at in range(0, len(inputs), batch)]
        return np.asarray(np.concatenate(rows), dtype=np.float32)


def load_float_model(path: Path) -> FloatModel:
    """Load a `.keras` file, an `.h5` file (Keras 2's too) or a SavedModel folder.

    Raises ConvertError where it cannot be loaded, or is no classifier of pictures of a fixed size.
    """
    if not path.exists():
        msg = f"model {path} does not exist"
        raise ConvertError(msg)
    try:
        with quiet():
            return _load_saved_model(path) if path.is_dir() else _load_keras(path)
    except ConvertError:
        raise
    except Exception as error:  # TensorFlow and h5py raise whatever they like on a damaged file
        reason = " ".join(str(error).split())[:200]
        msg = (
            f"model {path} cannot be loaded as a Keras model (.keras, .h5) or SavedModel folder: "
            f"{reason or type(error).__name__}"
        )
        raise ConvertError(msg) from error


def _load_keras(path: Path) -> FloatModel:
    model = keras.models.load_model(path, compile=False, custom_objects={"DepthwiseConv2D": _Depthwise})
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        msg = f"model {path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is needed"
        raise ConvertError(msg)
    return _checked(path, lambda x: model(x, training=False), model.inputs[0].shape, model.outputs[0].shape, model)


def _load_saved_model(path: Path) -> FloatModel:
    loaded = tf.saved_model.load(path)
    signatures = dict(loaded.signatures)
    signature = signatures.get("serving_default") or next(iter(signatures.values()), None)
    if signature is None:
        msg = f"SavedModel {path} has no signature to call"
        raise ConvertError(msg)
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        msg = f"SavedModel {path} has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed"
        raise ConvertError(msg)
    ((name, tensor),), (output,) = inputs.items(), outputs
    return _checked(path, lambda x: signature(**{name: x})[output], tensor.shape, outputs[output].shape, loaded)


def _checked(path: Path, call: Callable[[Any], Any], inputs: Any, outputs: Any, owner: Any) -> FloatModel:  # noqa: ANN401
    shape, scores = tuple(inputs), tuple(outputs)
    if len(shape) != _DIMENSIONS or None in shape[1:] or shape[-1] not in _CHANNELS:
        msg = f"model {path} takes {shape}, not (pictures, height, width, 1 or 3 channels) of a fixed size"
        raise ConvertError(msg)
    if len(scores) != 2 or not scores[1] or scores[1] < 2:  # noqa: PLR2004 - (pictures, at least two classes)
        msg = f"model {path} gives {scores}, not one row of class scores per picture"
        raise ConvertError(msg)
    height, width, channels = (int(size) for size in shape[1:])
    traced = tf.function(call, reduce_retracing=True)
    return FloatModel(path, traced, height, width, channels, int(scores[1]), owner)


def with_probabilities(model: FloatModel, samples: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> FloatModel:
    """Return the model itself where its outputs are probabilities, else with a softmax appended.

    The first few of `samples`, float32 (height, width, channels) each, decide. `edge` reads probabilities.
    """
    scores = model.predict(np.asarray(samples[:_PROBE], dtype=np.float32))
    if not np.isfinite(scores).all():
        msg = f"model {model.path} gives values that are not finite on the calibration pictures"
        raise ConvertError(msg)
    if scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < _SUM_TOLERANCE:
        return model
    return replace(model, call=tf.function(lambda x: tf.nn.softmax(model.call(x)), reduce_retracing=True))
