"""Freezes a float model to a TensorFlow graph, and reads from the graph how the network begins and ends.

Keras layers, Lambda layers and SavedModels all become the same graph, so it shows what any of them computes.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from convert.runtimes.keras_model import FloatModel
from convert.tensorflow import discard_stderr

_UNCHANGING: Final = frozenset(
    {"Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "StopGradient", "EnsureShape", "Transpose"}
)
"""Operations that keep every value, in one order or another."""
_ARITHMETIC: Final = frozenset({"Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "FusedBatchNorm", "FusedBatchNormV3"})
"""Operations with which models scale their input."""
_MOVING: Final = frozenset({"Pad", "PadV2", "ReverseV2", "StridedSlice", "ConcatV2", "ResizeBilinear"})
"""Operations that move values about, as preprocessing does."""
_MAX_CHAIN: Final = 64
"""Longest chain of operations that is followed; preprocessing has some ten."""


def freeze(model: FloatModel) -> Any:  # noqa: ANN401 - TensorFlow has no types
    """Trace a model for one image, with its variables as constants. Raises whatever TensorFlow raises.

    The last two results are kept: the checks and both converters ask for the same, and weights of a loaded model do not
    change.
    """
    return _freeze(model.call, (1, model.height, model.width, model.channels))


@lru_cache(maxsize=2)
def _freeze(call: Callable[[Any], Any], shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    with discard_stderr():
        traced = tf.function(call, input_signature=[tf.TensorSpec(shape, tf.float32)]).get_concrete_function()
        # Variables become constants first: the calibrator cannot read the resource variables that
        # Keras 3 models keep ("READ_VARIABLE failed to invoke").
        return convert_variables_to_constants_v2(traced)


def last_operations(frozen: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return the types of the last two operations that compute something, such as ("Softmax", "BiasAdd")."""
    found: list[str] = []
    tensor = frozen.outputs[0]
    for _ in range(_MAX_CHAIN):
        if tensor.op.type not in _UNCHANGING:
            found.append(tensor.op.type)
        if len(found) == 2 or not tensor.op.inputs:  # noqa: PLR2004 - the last two
            break
        tensor = tensor.op.inputs[0]
    return (*found, "", "")[:2]  # type: ignore[return-value]


def scaled_input(frozen: Any, low: float, high: float) -> tuple[float, float, bool] | None:  # noqa: ANN401
    """Return what a model's own scaling makes of an input from `low` to `high`; None where it does not scale it.

    Returns the lowest and the highest value behind the arithmetic with which the graph begins, and whether that is
    batch normalization alone, which was fitted to the range of the training and is no preprocessing.
    """
    (source,) = (tensor for tensor in frozen.inputs if tensor.dtype == tf.float32)
    tensor, names = source, []
    for _ in range(_MAX_CHAIN):
        consumers = tensor.consumers()
        if len(consumers) != 1 or consumers[0].type not in _ARITHMETIC | _UNCHANGING | _MOVING:
            break
        if consumers[0].type in _ARITHMETIC:
            names.append(consumers[0].name.lower())
        tensor = consumers[0].outputs[0]
    if not names:
        return None
    shape = [1, *source.shape[1:]]
    with discard_stderr():
        behind = frozen.prune([source], [tensor])
        values = np.concatenate([np.ravel(behind(tf.fill(shape, np.float32(each)))[0]) for each in (low, high)])
    fitted = all("batch_norm" in name or "batchnorm" in name for name in names)
    return float(values.min()), float(values.max()), fitted
