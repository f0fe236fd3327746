"""Reads the layers of a .tflite file: constants, inputs at run time, and biases, which can be replaced.

The file format is TensorFlow Lite's flatbuffer schema (tensorflow/lite/schema/schema.fbs), read with
the classes that ai-edge-litert generates from it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from convert.runtimes.tflite import plain_interpreter, to_integers

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
_IDENTIFIER: Final = b"TFL3"
_NO_TENSOR: Final = -1
"""Stands for an operand that an operator leaves out (schema.fbs)."""

Activations = dict[int, list[NDArray[Any]]]
"""Values of tensors at run time: by tensor number, one array for each sample, in the tensor's type."""


@dataclass(frozen=True)
class Layer:
    """A layer with weights and a bias.

    `operator`: its number in the order of execution. `input`, `weights`, `bias`: tensor numbers in the graph.
    `shape`: of the weights; (outputs, height, width, inputs) of a convolution, (1, height, width, channels) of a
    depthwise one, (outputs, inputs) of a dense layer. `stride`: down and across; 1 and 1 for a dense layer.
    `same`: whether the padding is SAME.
    """

    operator: int
    kind: int
    input: int
    weights: int
    bias: int
    shape: tuple[int, ...]
    stride: tuple[int, int]
    same: bool

    @property
    def form(self) -> tuple[Any, ...]:
        """Properties that are equal in two graphs of the same network; tensor numbers are not."""
        return self.kind, self.shape, self.stride, self.same

    @property
    def depthwise(self) -> bool:
        """Whether the layer is a depthwise convolution."""
        return bool(self.kind == _DEPTHWISE)

    @property
    def dense(self) -> bool:
        """Whether the layer is fully connected."""
        return bool(self.kind == _DENSE)


class TfliteGraph:
    """A parsed .tflite with one subgraph. Raises ValueError for bytes that are not a model."""

    def __init__(self, content: bytes) -> None:
        """Parse a copy of the bytes."""
        self._content = bytearray(content)
        self._model = schema.Model.GetRootAs(self._content, 0)
        self._graph = self._model.Subgraphs(0)
        self.layers = tuple(self._layers())
        used = Counter(self._graph.Tensors(at).Buffer() for at in range(self._graph.TensorsLength()))
        biases = Counter(layer.bias for layer in self.layers)
        self._unshared_biases = {
            tensor for tensor, users in biases.items() if users == 1 and used[self._graph.Tensors(tensor).Buffer()] == 1
        }

    @property
    def content(self) -> bytes:
        """The file with all changes to its constants."""
        return bytes(self._content)

    def _layers(self) -> Iterator[Layer]:
        for at in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(at)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files only have the second
            if kind not in {_CONV, _DEPTHWISE, _DENSE} or operator.InputsLength() < _OPERANDS:
                continue
            layer = self._layer(at, kind, operator)
            if layer is not None:
                yield layer

    def _layer(self, at: int, kind: int, operator: Any) -> Layer | None:  # noqa: ANN401 - generated code
        source, weights, bias = (int(operator.Inputs(at)) for at in range(_OPERANDS))
        if bias < 0 or not self._is_constant(weights) or not self._is_constant(bias):
            return None
        shape, channels = self._shape(weights), self._shape(source)[-1]
        stride, same = (1, 1), False
        if kind in _OPTIONS:
            options = _OPTIONS[kind]()
            table = operator.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            if options.DilationHFactor() != 1 or options.DilationWFactor() != 1 or shape[-1] != channels:
                return None  # dilation, groups, several kernels per channel: in no network of this project
            stride = options.StrideH(), options.StrideW()
            same = options.Padding() == schema.Padding.SAME
        return Layer(at, kind, source, weights, bias, shape, stride, same)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self._graph.Tensors(tensor).ShapeAsNumpy())

    def _is_constant(self, tensor: int) -> bool:
        described = self._graph.Tensors(tensor)
        return described.Type() in _DTYPES and self._model.Buffers(described.Buffer()).DataLength() > 0

    def constant(self, tensor: int) -> NDArray[Any]:
        """Return a view of a constant tensor, float32, int32 or int8, in its shape; writing to it changes the file."""
        described = self._graph.Tensors(tensor)
        data = self._model.Buffers(described.Buffer()).DataAsNumpy()
        return np.asarray(data.view(_DTYPES[described.Type()]).reshape(self._shape(tensor)))

    def quantization(self, tensor: int) -> tuple[NDArray[np.float64], int]:
        """Return the scales, (1,) or (channels,), and the zero point of an integer tensor."""
        described = self._graph.Tensors(tensor).Quantization()
        return described.ScaleAsNumpy().astype(np.float64), int(described.ZeroPoint(0))

    def can_replace_bias(self, layer: Layer) -> bool:
        """Return whether only this layer reads its bias: the converter stores equal constants once."""
        return layer.bias in self._unshared_biases

    def inputs_of(self, layers: Sequence[Layer], samples: Sequence[NDArray[np.float32]]) -> Iterator[list[Any]]:
        """Run the graph on each sample, float32 (height, width, channels); yield the inputs of the layers.

        Inputs have their tensors' types. Delegates are off, because they fuse layers and drop tensors.
        """
        interpreter = plain_interpreter(self.content, preserve_all_tensors=True)
        (source,) = interpreter.get_input_details()
        for sample in samples:
            interpreter.set_tensor(source["index"], _as_input(sample, source))
            interpreter.invoke()
            yield [interpreter.get_tensor(layer.input) for layer in layers]

    def inputs_in_turn(self, samples: Sequence[NDArray[np.float32]]) -> Iterator[tuple[Layer, list[NDArray[Any]]]]:
        """Yield each layer in the order of execution with its inputs for all samples, (1, ...) each.

        `samples`: float32 (height, width, channels) each. Constants of a layer that is yielded may be changed before
        the next one is taken: what follows is computed with them. Each operation runs once for each sample, so that
        all layers together take as long as one run of the graph.
        """
        (source,) = plain_interpreter(self.content).get_input_details()
        activations: Activations = {int(self._graph.Inputs(0)): [_as_input(sample, source) for sample in samples]}
        # Its constants are views of the content, so that changes are in it.
        model = schema.ModelT.InitFromPackedBuf(self._content, 0)
        operators = model.subgraphs[0].operators
        done = 0
        for layer in self.layers:
            if layer.operator > done:
                now, later = operators[done : layer.operator], operators[layer.operator :]
                activations = _run_operators(model, now, later, activations)
                done = layer.operator
            yield layer, activations[layer.input]


def _as_input(sample: NDArray[np.float32], source: dict[str, Any]) -> NDArray[Any]:
    """Return a sample as values of an input tensor, (1, ...) in its type; `source`: the interpreter's details of it."""
    scale, zero_point = source["quantization"]
    return (to_integers(sample, scale, zero_point, source["dtype"]) if scale else sample)[None]


def _part_of(model: Any, operators: Sequence[Any], inputs: Sequence[int], outputs: Sequence[int]) -> Any:  # noqa: ANN401
    """Return a model of some operators, with their tensors and constants alone: to write all takes longer than to run.

    `model`, `operators`: generated classes of ModelT and OperatorT. Constants are shared and not copied.
    """
    graph = copy(model.subgraphs[0])
    used = {int(tensor) for operator in operators for tensor in (*operator.inputs, *operator.outputs)} - {_NO_TENSOR}
    numbers = {tensor: at for at, tensor in enumerate(sorted(used))} | {_NO_TENSOR: _NO_TENSOR}
    part = copy(model)
    # The first buffer is empty by the format's rule, for tensors without a constant.
    part.buffers, graph.tensors, graph.operators = [model.buffers[0]], [], []
    for tensor in sorted(used):
        described = copy(model.subgraphs[0].tensors[tensor])
        if described.buffer:
            described.buffer, buffer = len(part.buffers), model.buffers[described.buffer]
            part.buffers.append(buffer)
        graph.tensors.append(described)
    for operator in operators:
        renumbered = copy(operator)
        renumbered.inputs = [numbers[int(tensor)] for tensor in operator.inputs]
        renumbered.outputs = [numbers[int(tensor)] for tensor in operator.outputs]
        graph.operators.append(renumbered)
    graph.inputs, graph.outputs = [numbers[tensor] for tensor in inputs], [numbers[tensor] for tensor in outputs]
    # Both name tensors or buffers of the whole model, and say nothing that the interpreter needs.
    part.subgraphs, part.signatureDefs, part.metadata = [graph], None, None
    return part


def _run_operators(model: Any, now: Sequence[Any], later: Sequence[Any], known: Activations) -> Activations:  # noqa: ANN401
    """Run some operators of a model on every sample; return the activations that `later` ones read.

    `model`, `now`, `later`: generated classes of ModelT and OperatorT, which stay as they are.
    """
    needed = {int(tensor) for operator in later for tensor in operator.inputs}
    read = {int(tensor) for operator in now for tensor in operator.inputs}
    made = {int(tensor) for operator in now for tensor in operator.outputs}
    given, wanted = sorted(read & set(known)), sorted(made & needed)
    builder = flatbuffers.Builder()
    builder.Finish(_part_of(model, now, given, wanted).Pack(builder), _IDENTIFIER)
    interpreter = plain_interpreter(bytes(builder.Output()))
    places = [detail["index"] for detail in interpreter.get_input_details()]
    results = [detail["index"] for detail in interpreter.get_output_details()]
    activations: Activations = {tensor: values for tensor, values in known.items() if tensor in needed}
    activations |= {tensor: [] for tensor in wanted}
    for at in range(len(next(iter(known.values())))):
        for tensor, place in zip(given, places, strict=True):
            interpreter.set_tensor(place, known[tensor][at])
        interpreter.invoke()
        for tensor, place in zip(wanted, results, strict=True):
            activations[tensor].append(interpreter.get_tensor(place))
    return activations
