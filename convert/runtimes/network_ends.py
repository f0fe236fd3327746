"""Tells how a float model's network begins and ends, from its TensorFlow graph or from its float .tflite.

The .tflite is read with the classes that ai-edge-litert generates from TensorFlow Lite's flatbuffer schema. Its
operations have TensorFlow's names here, as in `frozen_graph`.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.runtimes import frozen_graph
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.tflite import values_behind

_CODES: Final = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_ACTIVATIONS: Final = {
    code: name for name, code in vars(schema.ActivationFunctionType).items() if isinstance(code, int) and code
}
_NAMES: Final = {
    "SOFTMAX": "Softmax",
    "LOGISTIC": "Sigmoid",
    "LOG_SOFTMAX": "LogSoftmax",
    "FULLY_CONNECTED": "MatMul",
    "BATCH_MATMUL": "BatchMatMulV2",
    "CONV_2D": "Conv2D",
    "TANH": "Tanh",
    "RELU": "Relu",
    "RELU6": "Relu6",
    "RELU_N1_TO_1": "Relu6",
    "LEAKY_RELU": "LeakyRelu",
    "PRELU": "LeakyRelu",
    "ELU": "Elu",
    "GELU": "Erf",
    "HARD_SWISH": "Relu6",
    "EXP": "Exp",
    "SQUARE": "Square",
}
"""TensorFlow's types of operations by TensorFlow Lite's, for those that decide how a network ends."""
_UNCHANGING: Final = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", "TRANSPOSE"})
"""Operations that keep every value, in one order or another."""
_ARITHMETIC: Final = frozenset({"ADD", "SUB", "MUL", "DIV"})
_MOVING: Final = frozenset({"PAD", "PADV2", "REVERSE_V2", "STRIDED_SLICE", "SLICE", "CONCATENATION", "RESIZE_BILINEAR"})


def last_operations(model: FloatModel) -> tuple[str, str]:
    """Return the types of the last two operations that compute something, such as ("Softmax", "BiasAdd").

    Raises whatever TensorFlow raises where the model cannot be traced.
    """
    if model.tflite is None:
        return frozen_graph.last_operations(frozen_graph.freeze(model))
    return (*_Graph(model.tflite).backwards(), "", "")[:2]  # type: ignore[return-value]


def scaled_input(model: FloatModel, low: float, high: float) -> tuple[float, float, bool] | None:
    """Return what the model's own scaling makes of an input from `low` to `high`; None where it does not scale it.

    Returns the lowest and the highest value behind the arithmetic with which the network begins, and whether that is
    batch normalization alone; in a .tflite that cannot be told from other arithmetic, and is False. Raises as
    `last_operations`.
    """
    if model.tflite is None:
        return frozen_graph.scaled_input(frozen_graph.freeze(model), low, high)
    tensor = _Graph(model.tflite).behind_scaling()
    if tensor is None:
        return None
    values = np.concatenate([values_behind(model.tflite, tensor, each) for each in (low, high)])
    return float(values.min()), float(values.max()), False


class _Graph:
    """The operations of a .tflite with their names."""

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = self._model.subgraphs[0]

    def _name(self, operator: Any) -> str:  # noqa: ANN401 - generated code
        code = self._model.operatorCodes[operator.opcodeIndex]
        return str(_CODES.get(max(code.builtinCode, code.deprecatedBuiltinCode), ""))

    def backwards(self) -> Iterator[str]:
        """Yield TensorFlow's types of the operations that compute something, from the output on along first inputs."""
        makers = {int(tensor): operator for operator in self._graph.operators for tensor in operator.outputs}
        tensor = int(self._graph.outputs[0])
        while (operator := makers.get(tensor)) is not None:
            name = self._name(operator)
            fused = _ACTIVATIONS.get(getattr(operator.builtinOptions, "fusedActivationFunction", 0))
            if fused is not None:
                yield _NAMES.get(fused, fused)
            if name not in _UNCHANGING:
                yield _NAMES.get(name, name)
            tensor = int(operator.inputs[0])

    def behind_scaling(self) -> int | None:
        """Return the tensor behind the arithmetic with which the graph begins, None where there is none."""
        tensor, scaled = int(self._graph.inputs[0]), False
        while True:
            users = [operator for operator in self._graph.operators if tensor in operator.inputs]
            names = {self._name(operator) for operator in users}
            if len(users) != 1 or not names <= _ARITHMETIC | _UNCHANGING | _MOVING:
                return tensor if scaled else None
            scaled = scaled or bool(names & _ARITHMETIC)
            tensor = int(users[0].outputs[0])
