"""Reads an ONNX file, converts it with onnx2tf, and runs it with onnxruntime. Runs in a process of its own: worker.py.

It imports nothing of this project.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

_QUANTIZED: Final = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"})
_HALF: Final = frozenset({"float16", "bfloat16"})
_BATCH: Final = 32
"""Pictures that are run at once where the network takes any number."""


class Network:
    """One network of an ONNX file."""

    def __init__(self, path: str) -> None:
        """Read and check the file, and make a session of onnxruntime. Raises whatever the packages raise."""
        self._path = path
        self._model = onnx.load(path)
        onnx.checker.check_model(path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal: errors arrive as exceptions
        options.intra_op_num_threads = 1  # more wait for each other where a machine does other work too
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def describe(self) -> dict[str, Any]:
        """Return what the network takes and gives; shapes have null or a name where a size may change."""
        graph = self._model.graph
        types = {onnx.helper.tensor_dtype_to_np_dtype(each.data_type).name for each in graph.initializer}
        operations = {node.op_type for node in graph.node}
        obstacle = ""
        if operations & _QUANTIZED:
            obstacle = "is quantized already: export the float network, and quantize makes it int8"
        elif types & _HALF:
            obstacle = f"has weights of {' and '.join(sorted(types & _HALF))}: export it in float32"
        return {
            "inputs": [_described(each) for each in self._session.get_inputs()],
            "outputs": [_described(each) for each in self._session.get_outputs()],
            "obstacle": obstacle,
            "original": f"onnxruntime {version('onnxruntime')}",
            "converter": f"onnx2tf {version('onnx2tf')}",
        }

    def convert(self, target: Path, *, channels_last: bool) -> None:
        """Write the network as a float .tflite that takes one picture (1, height, width, channels)."""
        import onnx2tf  # noqa: PLC0415 - takes long, and a network that cannot be used needs no converter

        name = self._session.get_inputs()[0].name
        with tempfile.TemporaryDirectory(prefix="emotion-convert-") as folder:
            onnx2tf.convert(
                input_onnx_file_path=self._path,
                output_folder_path=folder,
                batch_size=1,
                non_verbose=True,
                # 4-dimensional inputs are taken for channels first unless they are named here.
                keep_shape_absolutely_input_names=[name] if channels_last else None,
            )
            (made,) = Path(folder).glob("*_float32.tflite")
            target.write_bytes(made.read_bytes())

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on pictures in its own layout; return float32 (pictures, outputs)."""
        (source,) = self._session.get_inputs()
        step = source.shape[0] if isinstance(source.shape[0], int) else _BATCH
        rows = [
            self._session.run(None, {source.name: pictures[at : at + step]})[0] for at in range(0, len(pictures), step)
        ]
        return np.asarray(np.concatenate(rows), dtype=np.float32)


def _described(value: Any) -> dict[str, Any]:  # noqa: ANN401 - onnxruntime has no types
    """Return shape and type of an input or output; onnxruntime writes tensor(float), and means float32."""
    name = value.type.removeprefix("tensor(").removesuffix(")")
    return {"shape": list(value.shape), "dtype": {"float": "float32", "double": "float64"}.get(name, name)}
