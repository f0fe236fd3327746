"""A quantized model run by the real interpreter, as the device runs it."""

from importlib.metadata import version
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from convert.quiet import quiet
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

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Quantize float32 (n, height, width, channels), run, and return dequantized (n, outputs)."""
        limits = np.iinfo(self._in["dtype"])
        rows = []
        for picture in inputs:
            scaled = np.rint(picture / self.input.scale) + self.input.zero_point
            quantized = np.clip(scaled, limits.min, limits.max).astype(self._in["dtype"])
            self._interpreter.set_tensor(self._in["index"], quantized[None])
            self._interpreter.invoke()
            raw = self._interpreter.get_tensor(self._out["index"])[0].astype(np.float32)
            rows.append((raw - self.output.zero_point) * self.output.scale)
        return np.asarray(rows, dtype=np.float32)


def _quantization(detail: dict[str, Any]) -> Quantization:
    scale, zero_point = detail["quantization"]
    dtype: Any = np.dtype(detail["dtype"]).name
    return Quantization(dtype=dtype, scale=float(scale), zero_point=int(zero_point))
