"""Runs .tflite models with ai-edge-litert, the interpreter of the device."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from convert.runtimes.worker import run_each
from convert.tensorflow import discard_stderr
from edge.vision.classification.manifest import Quantization, TensorQuantization
from edge.vision.classification.preprocess import dequantize

_PACKAGE: Final = "ai-edge-litert"


def runtime_name() -> str:
    """Return name and version of the interpreter, for figures."""
    return f"{_PACKAGE} {version(_PACKAGE)}"


class Int8Model:
    """A full-integer classifier of one image at a time. Raises ValueError for bytes that are not a model."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Allocate the tensors and read the quantization of input and output."""
        self._interpreter = create_interpreter(content, threads)
        (self._in,), (self._out,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.input, self.output = _quantization(self._in), _quantization(self._out)

    @property
    def quantization(self) -> TensorQuantization:
        """Quantization of input and output, as the manifest carries it."""
        return TensorQuantization(input=self.input, output=self.output)

    def tensor_dtypes(self) -> set[Any]:
        """Return the element types of all tensors of the graph."""
        return {detail["dtype"] for detail in self._interpreter.get_tensor_details()}

    def invoke(self) -> None:
        """Run the graph once on the present content of the input tensor, for timing."""
        self._interpreter.invoke()

    def quantize(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        """Convert float32 of any shape to the input's integers, int8 or uint8."""
        return to_integers(inputs, self.input.scale, self.input.zero_point, self._in["dtype"])

    def dequantize(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Convert the output's integers (n, outputs) to float32 probabilities."""
        return dequantize(outputs, self.output.scale, self.output.zero_point)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the model on float32 (n, height, width, channels); return probabilities float32 (n, outputs)."""
        return self.dequantize(run_each(self._interpreter, (self.quantize(image) for image in inputs)))


class FloatTfliteModel:
    """A float classifier of one image at a time. Raises ValueError for bytes that are not a model."""

    def __init__(self, content: bytes) -> None:
        """Allocate the tensors, for one thread."""
        self._interpreter = create_interpreter(content, 1)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of the input and of the output, each with the batch of one."""
        details = (*self._interpreter.get_input_details(), *self._interpreter.get_output_details())
        takes, gives = (tuple(int(size) for size in detail["shape"]) for detail in details)
        return takes, gives

    def predict(self, inputs: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Run the model on each of `inputs`, float32 (height, width, channels); return float32 (n, outputs)."""
        return np.asarray(run_each(self._interpreter, inputs), dtype=np.float32)


def to_integers(values: NDArray[np.float32], scale: float, zero_point: int, dtype: Any) -> NDArray[Any]:  # noqa: ANN401
    """Quantize real values to an integer type: value / scale + zero point, rounded and clipped."""
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype))


def values_behind(content: bytes, tensor: int, level: float) -> NDArray[np.float32]:
    """Return the values, in one row, that a tensor of a float .tflite has where the whole input is `level`."""
    interpreter = plain_interpreter(content, preserve_all_tensors=True)
    (source,) = interpreter.get_input_details()
    interpreter.set_tensor(source["index"], np.full(source["shape"], level, dtype=np.float32))
    interpreter.invoke()
    return np.ravel(interpreter.get_tensor(tensor))


def plain_interpreter(content: bytes, *, preserve_all_tensors: bool = False) -> Any:  # noqa: ANN401 - no types
    """Return an interpreter without delegates, its tensors allocated: delegates fuse layers and drop tensors.

    `preserve_all_tensors`: keeps what lies between the operations readable after a run.
    """
    return create_interpreter(
        content,
        1,
        experimental_preserve_all_tensors=preserve_all_tensors,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


def create_interpreter(content: bytes, threads: int, **options: Any) -> Any:  # noqa: ANN401 - ai_edge_litert has no types
    """Return an interpreter with its tensors allocated. `options`: of `ai_edge_litert.interpreter.Interpreter`."""
    with discard_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads, **options)
        interpreter.allocate_tensors()
    return interpreter


def _quantization(detail: dict[str, Any]) -> Quantization:
    scale, zero_point = detail["quantization"]
    dtype: Any = np.dtype(detail["dtype"]).name
    return Quantization(dtype=dtype, scale=float(scale), zero_point=int(zero_point))
