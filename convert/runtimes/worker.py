"""Runs integer pictures through a model with tflite-runtime; started as a program by `convert.runtimes.tflite_runtime`.

    python -I worker.py MODEL.tflite INPUTS.npy OUTPUTS.npy

Imports nothing of this project: the Python that has tflite-runtime need not have it.
Prints the interpreter's version.
"""

import sys
from importlib.metadata import version

import numpy as np
from tflite_runtime.interpreter import Interpreter


def main(model: str, inputs: str, outputs: str) -> None:
    """Run int8 or uint8 (n, height, width, channels); write the raw integers (n, outputs)."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for picture in np.load(inputs):
        interpreter.set_tensor(into["index"], picture[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(out["index"])[0])
    np.save(outputs, np.asarray(rows))
    sys.stdout.write(version("tflite-runtime"))


if __name__ == "__main__":
    main(*sys.argv[1:])
