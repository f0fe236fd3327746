"""Runs images through a .tflite; also a program that does so with tflite-runtime in another Python.

    python -I worker.py MODEL.tflite INPUTS.npy OUTPUTS.npy

`convert.runtimes.tflite_runtime` starts the program. It imports nothing of this project, because the Python
that has tflite-runtime need not have it. INPUTS holds the integers int8 or uint8 (n, height, width,
channels), OUTPUTS gets the integers (n, outputs). Standard output is the interpreter's version.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray


def run_each(interpreter: Any, inputs: Iterable[NDArray[Any]]) -> NDArray[Any]:  # noqa: ANN401 - no types
    """Run an interpreter with batch size 1 on each of `inputs`; return its raw outputs (n, outputs).

    `interpreter`: of ai-edge-litert or tflite-runtime, with its tensors allocated. `inputs`: (height, width,
    channels) each, in the type of the input tensor.
    """
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for values in inputs:
        interpreter.set_tensor(source["index"], values[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target["index"])[0])
    return np.asarray(rows)


def main(model: str, inputs: str, outputs: str) -> None:
    """Run a model file on a file of inputs, and write the file of outputs."""
    from tflite_runtime.interpreter import Interpreter  # noqa: PLC0415 - missing in most environments

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    np.save(outputs, run_each(interpreter, np.load(inputs)))
    sys.stdout.write(version("tflite-runtime"))


if __name__ == "__main__":
    main(*sys.argv[1:])
