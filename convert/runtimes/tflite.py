"""A .tflite model run by the real interpreter, as the device runs it."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from convert.tensorflow import quiet
from edge.manifest import Quantization, TensorQuantization

_PACKAGE: Final = "ai-edge-litert"


def runtime_name() -> str:
    """Name and version of the interpreter, as it stands beside every int8 figure."""
    return f"{_PACKAGE} {version(_PACKAGE)}"


class Int8Model:
    """A full-integer classifier of one picture at a time. Raises ValueError on bytes that are no model."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Allocate the tensors and read their quantization."""
        with quiet():
            self._interpreter: Any = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        (self._in,), (self._out,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.input, self.output = _quantization(self._in), _quantization(self._out)

    @property
    def quantization(self) -> TensorQuantization:
        """Both ends' quantization, as the manifest carries it."""
        return TensorQuantization(input=self.input, output=self.output)

    def tensor_dtypes(self) -> set[Any]:
        """Return the element types of all tensors of the graph."""
        return {detail["dtype"] for detail in self._interpreter.get_tensor_details()}

    def invoke(self) -> None:
        """Run once on whatever the input tensor holds: what is timed."""
        self._interpreter.invoke()

    def quantize(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        """Return float32 (n, height, width, channels) as the integers, int8 or uint8, that the graph takes."""
        return to_integers(inputs, self.input.scale, self.input.zero_point, self._in["dtype"])

    def dequantize(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return integers (n, outputs) that the graph gave as float32 probabilities."""
        return np.asarray((outputs.astype(np.float32) - self.output.zero_point) * self.output.scale, dtype=np.float32)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Quantize float32 (n, height, width, channels), run, and return dequantized (n, outputs)."""
        return self.dequantize(_run_each(self._interpreter, (self.quantize(picture) for picture in inputs)))


class FloatTflite:
    """A float classifier as the converter left it, one picture at a time. Raises ValueError as `Int8Model`."""

    def __init__(self, content: bytes) -> None:
        """Allocate the tensors, for one thread."""
        with quiet():
            self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run float32 (n, height, width, channels); float32 (n, outputs)."""
        return np.asarray(_run_each(self._interpreter, iter(inputs)), dtype=np.float32)


def to_integers(values: NDArray[np.float32], scale: float, zero_point: int, dtype: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return real values as the nearest integers of a type that stand for them: value / scale + zero point."""
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype))


def _run_each(interpreter: Any, pictures: Iterator[NDArray[Any]]) -> NDArray[Any]:  # noqa: ANN401
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for picture in pictures:
        interpreter.set_tensor(into["index"], picture[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(out["index"])[0])
    return np.asarray(rows)


def _quantization(detail: dict[str, Any]) -> Quantization:
    scale, zero_point = detail["quantization"]
    dtype: Any = np.dtype(detail["dtype"]).name
    return Quantization(dtype=dtype, scale=float(scale), zero_point=int(zero_point))
