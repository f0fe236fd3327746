"""Makes float .tflite files of other converters such that TensorFlow's quantizer takes them.

Interpreters are more lenient than the quantizer, which checks each operation anew; nothing here changes a result.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from convert.runtimes.tflite import plain_interpreter

_IDENTIFIER: Final = b"TFL3"
_ENDLESS: Final = -1e30
"""What lies below is no value of a picture: litert-torch pads with -infinity, onnx2tf with the lowest float32."""
_PADDED, _PADDING = 0, 2
"""Places of PADV2's input and of the value that it pads with."""


def packed(model: Any) -> bytes:  # noqa: ANN401 - generated code
    """Return the file of a ModelT."""
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def operators(model: Any, kind: int) -> Iterator[Any]:  # noqa: ANN401
    """Yield the operators of a ModelT's first subgraph of one kind, a number of `schema.BuiltinOperator`."""
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) == kind:  # old files only have the second
            yield operator


def repaired(content: bytes) -> bytes:
    """Return a float .tflite in the form that the quantizer wants."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    # litert-torch asks here to keep constants in a form that the quantizer passes over, so that all stays float.
    model.metadata = None
    tensors = model.subgraphs[0].tensors
    for operator in operators(model, schema.BuiltinOperator.PADV2):
        _set_shape(tensors[operator.inputs[_PADDING]], ())  # onnx2tf: (1,) in place of a scalar
    for operator in operators(model, schema.BuiltinOperator.PRELU):
        source, slope = (tensors[at] for at in operator.inputs)
        if len(slope.shape) == len(source.shape):  # onnx2tf: with the batch
            _set_shape(slope, slope.shape[1:])
    return packed(model)


def _set_shape(tensor: Any, shape: Sequence[int]) -> None:  # noqa: ANN401
    tensor.shape, tensor.shapeSignature = np.array(shape, dtype=np.int32), None


def with_finite_padding(content: bytes, samples: Iterable[NDArray[np.float32]]) -> bytes:
    """Return a float .tflite that pads with the lowest value of what it pads, where it padded with -infinity.

    Max pooling of PyTorch and ONNX is written so, and such a range cannot be quantized. `samples`: float32
    (height, width, channels) each, for which the maxima stay the same. A file without such padding is returned as it
    is.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    endless = [each for each in operators(model, schema.BuiltinOperator.PADV2) if _padding(model, each) < _ENDLESS]
    if not endless:
        return content
    tensors = model.subgraphs[0].tensors
    lowest = _lowest(content, [int(operator.inputs[_PADDED]) for operator in endless], samples)
    for operator, value in zip(endless, lowest, strict=True):
        # A constant of its own: converters store equal ones once.
        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = np.frombuffer(np.float32(value).tobytes(), dtype=np.uint8)
        tensor.type, tensor.name = schema.TensorType.FLOAT32, b"padding"
        _set_shape(tensor, ())
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
        operator.inputs = [*operator.inputs[:_PADDING], len(tensors), *operator.inputs[_PADDING + 1 :]]
        tensors.append(tensor)
    return packed(model)


def endless_paddings(model: Any) -> set[int]:  # noqa: ANN401
    """Return the numbers of a ModelT's tensors that are no weights but pad with -infinity."""
    found = operators(model, schema.BuiltinOperator.PADV2)
    return {int(each.inputs[_PADDING]) for each in found if _padding(model, each) < _ENDLESS}


def _padding(model: Any, operator: Any) -> float:  # noqa: ANN401
    """Return the value that a PADV2 pads with, 0 where it is computed."""
    data = model.buffers[model.subgraphs[0].tensors[operator.inputs[_PADDING]].buffer].data
    return float(np.asarray(data, dtype=np.uint8).view(np.float32)[0]) if data is not None and len(data) else 0.0


def _lowest(content: bytes, tensors: list[int], samples: Iterable[NDArray[np.float32]]) -> list[float]:
    """Return the lowest value that each tensor has for any of the samples."""
    interpreter = plain_interpreter(content, preserve_all_tensors=True)
    (source,) = interpreter.get_input_details()
    lowest = [np.inf] * len(tensors)
    for sample in samples:
        interpreter.set_tensor(source["index"], sample[None])
        interpreter.invoke()
        lowest = [min(low, float(interpreter.get_tensor(at).min())) for low, at in zip(lowest, tensors, strict=True)]
    return lowest
