"""Uses a float .tflite as a model: checks it, runs it, and adds a softmax. Networks of other frameworks arrive so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.tflite import FloatTfliteModel
from convert.runtimes.tflite_repair import endless_paddings, packed, repaired

_PICTURE_DIMENSIONS: Final = 4
_ROW_DIMENSIONS: Final = 2
_MIN_OUTPUTS: Final = 2


def model_of_tflite(
    path: Path, content: bytes, original: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> FloatModel:
    """Return a float .tflite as a model.

    `path`: the file of the network that it was made of. `original`: runs that network on float32 (n, height, width,
    channels) and returns its outputs, float32 (n, outputs). Raises ConvertError where the .tflite does not give one row
    of scores for a picture, or has weights that are not finite.
    """
    content = repaired(content)
    try:
        runner = FloatTfliteModel(content)
    except (RuntimeError, ValueError) as error:  # an operation that the interpreter does not know
        msg = f"model {path} cannot be run as TensorFlow Lite: {reason_of(error)}"
        raise ConvertError(msg) from error
    takes, gives = runner.shapes
    if len(takes) != _PICTURE_DIMENSIONS or len(gives) != _ROW_DIMENSIONS or gives[1] < _MIN_OUTPUTS:
        msg = f"model {path} gives {gives} for a picture, not one row of class scores: (1, number of labels)"
        raise ConvertError(msg)
    _check_weights(path, content)
    return FloatModel(path, _call(runner, gives[1]), *takes[1:], gives[1], runner, tflite=content, original=original)


def with_softmax(model: FloatModel, content: bytes) -> FloatModel:
    """Return a model of logits with a softmax on it; `content`: its float .tflite. The original gets one too."""
    parsed = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = parsed.subgraphs[0]
    (logits,) = graph.outputs
    code, options, operator = schema.OperatorCodeT(), schema.SoftmaxOptionsT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SOFTMAX
    code.version, options.beta = 1, 1.0
    result = schema.TensorT()
    result.shape, result.type, result.name = graph.tensors[logits].shape, schema.TensorType.FLOAT32, b"probabilities"
    result.buffer = len(parsed.buffers)
    parsed.buffers.append(schema.BufferT())
    operator.opcodeIndex = len(parsed.operatorCodes)
    operator.inputs, operator.outputs = [logits], [len(graph.tensors)]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.SoftmaxOptions, options
    parsed.operatorCodes.append(code)
    graph.tensors.append(result)
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    parsed.signatureDefs = None  # it names the former output
    made = packed(parsed)
    runner, original = FloatTfliteModel(made), model.original
    return replace(
        model,
        call=_call(runner, model.outputs),
        owner=runner,
        kind="probabilities",
        tflite=made,
        original=None if original is None else lambda pictures: softmax(original(pictures)),
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of each row (n, outputs), float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _call(runner: FloatTfliteModel, outputs: int) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:  # noqa: ANN401 - TensorFlow has no types
        rows = tf.numpy_function(runner.predict, [x], tf.float32)
        rows.set_shape([None, outputs])
        return rows

    return call


def _check_weights(path: Path, content: bytes) -> None:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    paddings = endless_paddings(model)
    for at, tensor in enumerate(model.subgraphs[0].tensors):
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None or at in paddings:
            continue
        values = np.asarray(data, dtype=np.uint8).view(np.float32)
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            msg = (
                f"model {path} is damaged: {count} of the {values.size} weights of an operation are not finite (NaN or "
                "infinite), as after a training that diverged; use an earlier checkpoint"
            )
            raise ConvertError(msg)
