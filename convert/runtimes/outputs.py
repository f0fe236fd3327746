"""Finds out what the outputs of a user's float model are, and makes them what `edge` can use."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.runtimes.float_tflite import with_softmax
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.network_ends import last_operations
from edge.vision.classification.outputs import OutputKind, UnusableOutputsError, recognise_outputs

_CHECKED_SAMPLES: Final = 64
"""Images on which outputs are checked where the graph says what they are. Without the graph all of them decide: the
sigmoids of a network that was trained for long sum to 1 on many."""
_SOFTMAX_TOLERANCE: Final = 2e-3
"""Rounding of one output of a softmax in float16, as models of mixed precision have it."""
_LINEAR: Final = frozenset({"BiasAdd", "MatMul", "Conv2D", "BatchMatMulV2"})
"""Last operations of a layer without an activation."""
_NEITHER: Final = frozenset(
    {"Tanh", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "Erf", "Exp", "Square"}
)
"""Activations of hidden layers: their values are neither probabilities nor logits."""
_ENOUGH_SAMPLES: Final = 20
"""Images from which it is no accident that all logits lie between 0 and 1."""

ADVICE: Final = "end it in a softmax, in sigmoids, or in a layer without an activation (logits)"


def decide_kind(operation: str, values: NDArray[np.floating[Any]]) -> OutputKind:
    """Return what the outputs of a network are, by its last operation, and by their values where that is not enough.

    `operation`: TensorFlow's type of the operation, "" where it is not known. `values`: (images, outputs). Raises
    UnusableOutputsError where they are of no kind that can be converted, or contradict the operation.
    """
    if operation == "Softmax":
        if recognise_outputs(values, _SOFTMAX_TOLERANCE) != "probabilities":
            raise UnusableOutputsError("of a softmax, but do not sum to 1: it runs over another axis than the labels")
        return "probabilities"
    found = recognise_outputs(values)
    if operation == "Sigmoid":
        return "sigmoids"
    if operation == "LogSoftmax":
        return "logits"
    if operation in _NEITHER:
        raise UnusableOutputsError(f"of the activation {operation}, neither probabilities nor logits")
    if operation in _LINEAR and found == "sigmoids":
        if len(values) >= _ENOUGH_SAMPLES:
            raise UnusableOutputsError(
                f"of a layer without an activation, but lie between 0 and 1 on all {len(values)} images: logits do not"
            )
        return "logits"
    return found


def with_usable_outputs(model: FloatModel, samples: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> FloatModel:
    """Return a model that gives probabilities or sigmoids, with `kind` set: the model itself, or with a softmax on it.

    `samples`: images, float32 (height, width, channels) each. A model whose `kind` is set is returned as it is. Raises
    ConvertError where an output is not finite, or is of no kind that can be converted.
    """
    if model.kind is not None:
        return model
    operation = _last_operation(model)
    decided = operation in ("Softmax", "Sigmoid", "LogSoftmax")
    chosen = samples[:_CHECKED_SAMPLES] if decided else samples
    values = model.predict(np.asarray(chosen, dtype=np.float32))
    try:
        kind = decide_kind(operation, values)
    except UnusableOutputsError as error:
        msg = f"model {model.path} cannot be used: its outputs on the pictures are {error}: {ADVICE}"
        raise ConvertError(msg) from error
    if kind != "logits":
        return replace(model, kind=kind)
    if model.tflite is not None:
        return with_softmax(model, model.tflite)
    call = tf.function(lambda x: tf.nn.softmax(model.call(x)), reduce_retracing=True)
    return replace(model, call=call, kind="probabilities")


def with_probabilities(model: FloatModel, samples: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> FloatModel:
    """Return a model that gives probabilities: as `with_usable_outputs`, with sigmoids divided by their sum.

    For evaluation: the division has no integer form, so that on a device `edge` does it. Raises as that.
    """
    usable = with_usable_outputs(model, samples)
    if usable.kind == "probabilities":
        return usable

    def divided(x: Any) -> Any:  # noqa: ANN401 - TensorFlow has no types
        values = usable.call(x)
        return values / tf.maximum(tf.reduce_sum(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    return replace(usable, call=tf.function(divided, reduce_retracing=True), kind="probabilities")


def _last_operation(model: FloatModel) -> str:
    try:
        return last_operations(model)[0]
    except Exception as error:  # TensorFlow raises any type
        msg = f"model {model.path} cannot be traced for one image: {reason_of(error)}"
        raise ConvertError(msg) from error
