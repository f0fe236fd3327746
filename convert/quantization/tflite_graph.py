"""The layers of a .tflite file: their constants, what flows into them, and biases that can be replaced.

Reads TensorFlow Lite's flatbuffer schema (tensorflow/lite/schema/schema.fbs) with the classes that
ai-edge-litert generates from it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from convert.runtimes.tflite import to_integers
from convert.tensorflow import quiet

_CONV: Final = schema.BuiltinOperator.CONV_2D
_DEPTHWISE: Final = schema.BuiltinOperator.DEPTHWISE_CONV_2D
_DENSE: Final = schema.BuiltinOperator.FULLY_CONNECTED
_OPTIONS: Final = {_CONV: schema.Conv2DOptions, _DEPTHWISE: schema.DepthwiseConv2DOptions}
_DTYPES: Final = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
}
_OPERANDS: Final = 3
"""Input, weights and bias."""


@dataclass(frozen=True)
class Layer:
    """One layer with weights and a bias; `input`, `weights`, `bias` are tensor numbers of the graph.

    `shape`: of the weights; (outputs, height, width, inputs) of a convolution, (1, height, width,
    channels) of a depthwise one, (outputs, inputs) of a dense one. `stride`: down and across, 1 and 1
    for a dense one. `same`: whether the borders are padded so that every input pixel counts.
    """

    kind: int
    input: int
    weights: int
    bias: int
    shape: tuple[int, ...]
    stride: tuple[int, int]
    same: bool

    @property
    def form(self) -> tuple[Any, ...]:
        """What two graphs of one network have in common, whatever their tensors are called."""
        return self.kind, self.shape, self.stride, self.same

    @property
    def depthwise(self) -> bool:
        """Whether each channel has a kernel of its own."""
        return bool(self.kind == _DEPTHWISE)

    @property
    def dense(self) -> bool:
        """Whether there is no kernel at all."""
        return bool(self.kind == _DENSE)


class LiteGraph:
    """A parsed .tflite with one subgraph. Raises ValueError on bytes that are no model."""

    def __init__(self, content: bytes) -> None:
        """Read the graph; the bytes are copied."""
        self._content = bytearray(content)
        self._model = schema.Model.GetRootAs(self._content, 0)
        self._graph = self._model.Subgraphs(0)
        self.layers = tuple(self._layers())
        used = Counter(self._graph.Tensors(at).Buffer() for at in range(self._graph.TensorsLength()))
        biases = Counter(layer.bias for layer in self.layers)
        self._own = {
            tensor for tensor, users in biases.items() if users == 1 and used[self._graph.Tensors(tensor).Buffer()] == 1
        }

    @property
    def content(self) -> bytes:
        """The file, with every bias that was replaced."""
        return bytes(self._content)

    def _layers(self) -> Iterator[Layer]:
        for at in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(at)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files only have the second
            if kind not in {_CONV, _DEPTHWISE, _DENSE} or operator.InputsLength() < _OPERANDS:
                continue
            layer = self._layer(kind, operator)
            if layer is not None:
                yield layer

    def _layer(self, kind: int, operator: Any) -> Layer | None:  # noqa: ANN401 - generated code
        into, weights, bias = (int(operator.Inputs(at)) for at in range(_OPERANDS))
        if bias < 0 or not self._is_constant(weights) or not self._is_constant(bias):
            return None
        shape, channels = self._shape(weights), self._shape(into)[-1]
        stride, same = (1, 1), False
        if kind in _OPTIONS:
            options = _OPTIONS[kind]()
            table = operator.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            if options.DilationHFactor() != 1 or options.DilationWFactor() != 1 or shape[-1] != channels:
                return None  # holes, groups, several kernels per channel: not in any network here
            stride = options.StrideH(), options.StrideW()
            same = options.Padding() == schema.Padding.SAME
        return Layer(kind, into, weights, bias, shape, stride, same)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self._graph.Tensors(tensor).ShapeAsNumpy())

    def _is_constant(self, tensor: int) -> bool:
        described = self._graph.Tensors(tensor)
        return described.Type() in _DTYPES and self._model.Buffers(described.Buffer()).DataLength() > 0

    def constant(self, tensor: int) -> NDArray[Any]:
        """Return a constant tensor's values, float32, int32 or int8, in its shape; writing to it changes the file."""
        described = self._graph.Tensors(tensor)
        data = self._model.Buffers(described.Buffer()).DataAsNumpy()
        return np.asarray(data.view(_DTYPES[described.Type()]).reshape(self._shape(tensor)))

    def quantization(self, tensor: int) -> tuple[NDArray[np.float64], int]:
        """Return the scales (1,) or (channels,) and the zero point of an integer tensor."""
        described = self._graph.Tensors(tensor).Quantization()
        return described.ScaleAsNumpy().astype(np.float64), int(described.ZeroPoint(0))

    def can_replace_bias(self, layer: Layer) -> bool:
        """Whether nothing else reads the layer's bias: the converter stores equal constants once."""
        return layer.bias in self._own

    def inputs_of(self, layers: Sequence[Layer], pictures: Sequence[NDArray[np.float32]]) -> Iterator[list[Any]]:
        """Run float32 (height, width, channels) pictures; yield, for each, what flows into the layers.

        In the tensors' own types. By the kernels that keep every tensor: no delegate fuses them away.
        """
        with quiet():
            interpreter: Any = Interpreter(
                model_content=self.content,
                num_threads=1,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
        (into,) = interpreter.get_input_details()
        scale, zero_point = into["quantization"]
        for picture in pictures:
            values = to_integers(picture, scale, zero_point, into["dtype"]) if scale else picture
            interpreter.set_tensor(into["index"], values[None])
            interpreter.invoke()
            yield [interpreter.get_tensor(layer.input) for layer in layers]
