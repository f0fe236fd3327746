"""Runs an int8 model with tflite-runtime in a process of its own.

TensorFlow and tflite-runtime 2.14 cannot share a process: where TensorFlow was imported first, the
interpreter fails to start ("ValueError: vector::reserve"). tflite-runtime also needs Python 3.11 and
numpy 1, which need not be the Python that trains: `make` keeps such a Python in `.venv-tflite`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.errors import UnavailableError
from convert.runtimes.tflite import Int8Model
from edge.system.installation import how_to_install

PACKAGE: Final = "tflite-runtime"
_WORKER: Final = Path(__file__).with_name("worker.py")
LAST_PYTHON: Final = (3, 11)
"""The last one for which it has wheels."""
CHECKOUT_PYTHON: Final = Path(__file__).parents[2] / ".venv-tflite" / "bin" / "python"


def find_python(checkout_python: Path = CHECKOUT_PYTHON) -> Path:
    """Return a Python that has tflite-runtime: the running one, else the one that `make` keeps.

    Raises UnavailableError where neither has it; `how_to_get` says what to do.
    """
    if find_spec("tflite_runtime") is not None:
        return Path(sys.executable)
    if checkout_python.is_file():
        return checkout_python
    msg = f"{PACKAGE} is not installed for this Python ({'.'.join(map(str, sys.version_info[:2]))})"
    raise UnavailableError(msg)


def how_to_get(version_info: tuple[int, ...] = sys.version_info[:2], checkout_python: Path = CHECKOUT_PYTHON) -> str:
    """Return what makes tflite-runtime available to a Python of this version, as a request to the user."""
    if version_info <= LAST_PYTHON:
        return f"install it with {how_to_install('tflite')}"
    # In a checkout the folder above the packages is the project's own; an installed package lies among others.
    in_checkout = (checkout_python.parents[2] / "pyproject.toml").is_file()
    made = "sh scripts/make-env tflite makes one here; else " if in_checkout else ""
    last = ".".join(map(str, LAST_PYTHON))
    return (
        f"{made}it exists for Python up to {last}: install it in an environment of such a Python, and name that "
        f"environment's bin/python with --tflite-python"
    )


def predict(
    content: bytes, inputs: Iterable[NDArray[np.float32]], python: Path | None = None
) -> tuple[NDArray[np.float32], str]:
    """Run a full-integer model on each of `inputs`, float32 (height, width, channels).

    Returns probabilities float32 (n, outputs), and the name and version of the interpreter. `python`: the
    Python to use instead of that of `find_python`. Raises UnavailableError where the model cannot be run.
    """
    python = python or find_python()
    # The quantization of input and output is in the file, so any interpreter may read it.
    model = Int8Model(content)
    with tempfile.TemporaryDirectory(prefix="emotion-convert-") as folder:
        model_file, inputs_file, outputs_file = (Path(folder) / name for name in ("m.tflite", "in.npy", "out.npy"))
        model_file.write_bytes(content)
        np.save(inputs_file, np.stack([model.quantize(image) for image in inputs]))
        # Isolated (-I): this folder's modules and the user's site-packages must not be imported.
        command = [str(python), "-I", "-W", "ignore", str(_WORKER), *map(str, (model_file, inputs_file, outputs_file))]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - own program
        except OSError as error:
            msg = f"{python} cannot be started: {error.strerror}"
            raise UnavailableError(msg) from error
        if ran.returncode or not outputs_file.is_file():
            lines = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
            msg = f"{python} does not run the model with {PACKAGE}: {lines[-1]}"
            raise UnavailableError(msg)
        return model.dequantize(np.load(outputs_file)), f"{PACKAGE} {ran.stdout.strip()}"
