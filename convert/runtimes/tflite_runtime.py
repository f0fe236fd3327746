"""The same int8 model on tflite-runtime, in a process of its own.

TensorFlow and tflite-runtime 2.14 do not share a process: where TensorFlow was imported first, the
interpreter fails to start ("ValueError: vector::reserve"). It also needs Python 3.11 and numpy 1,
which need not be the Python that trains: `make` keeps one in `.venv-tflite`.
"""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.runtimes.tflite import Int8Model

PACKAGE: Final = "tflite-runtime"
_WORKER: Final = Path(__file__).with_name("worker.py")
_LANE: Final = Path(__file__).parents[2] / ".venv-tflite" / "bin" / "python"


class UnavailableError(Exception):
    """tflite-runtime cannot be run here; the message is the reason."""


def find_python() -> Path:
    """Return the Python that has tflite-runtime: this one, else the checkout's lane.

    Raises UnavailableError where neither has it.
    """
    if find_spec("tflite_runtime") is not None:
        return Path(sys.executable)
    if _LANE.is_file():
        return _LANE
    running = ".".join(map(str, sys.version_info[:2]))
    msg = f"{PACKAGE} is not installed for this Python ({running}; it exists up to 3.11), and there is no {_LANE}"
    raise UnavailableError(msg)


def predict(content: bytes, inputs: NDArray[np.float32], python: Path | None = None) -> tuple[NDArray[np.float32], str]:
    """Run a full-integer model on float32 (n, height, width, channels).

    Returns probabilities float32 (n, outputs), and the name and version of the interpreter. `python`:
    the one to use instead of `find_python`'s. Raises UnavailableError where it does not run.
    """
    python = python or find_python()
    # The tensors' quantization stands in the file: whichever interpreter reads it reads the same.
    ends = Int8Model(content)
    with tempfile.TemporaryDirectory(prefix="emotion-convert-") as folder:
        model, given, found = (Path(folder) / name for name in ("model.tflite", "inputs.npy", "outputs.npy"))
        model.write_bytes(content)
        np.save(given, np.stack([ends.quantize(picture) for picture in inputs]))
        # Isolated: neither this folder's modules nor the user's site-packages are wanted there.
        command = [str(python), "-I", "-W", "ignore", str(_WORKER), str(model), str(given), str(found)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - own program
        except OSError as error:
            msg = f"{python} cannot be started: {error.strerror}"
            raise UnavailableError(msg) from error
        if ran.returncode or not found.is_file():
            lines = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
            msg = f"{python} does not run the model with {PACKAGE}: {lines[-1]}"
            raise UnavailableError(msg)
        return ends.dequantize(np.load(found)), f"{PACKAGE} {ran.stdout.strip()}"
