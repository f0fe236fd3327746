"""Imports Keras with the backend on which a training runs: TensorFlow, PyTorch or JAX.

Keras reads its backend from KERAS_BACKEND when it is imported, and keeps it for the life of the process.
"""

import logging
import os
from importlib.util import find_spec
from typing import Final

from convert.errors import ConvertError
from convert.tensorflow import BACKEND_VARIABLE, TENSORFLOW, discard_stderr, require_tensorflow
from edge.system.installation import how_to_install

JAX: Final = "jax"
BACKENDS: Final = {TENSORFLOW: "TensorFlow", "torch": "PyTorch", JAX: "JAX"}
"""Keras's name of each backend that a training runs on, which is that of its package, and the framework's own name."""


def chosen_backend() -> str:
    """Return the backend that KERAS_BACKEND names, TensorFlow where it is not set. Raises ConvertError for another."""
    name = os.environ.get(BACKEND_VARIABLE) or TENSORFLOW
    if name not in BACKENDS:
        msg = f"{BACKEND_VARIABLE} is {name!r}, and training runs with one of {', '.join(BACKENDS)}"
        raise ConvertError(msg)
    return name


def require_backend(name: str) -> None:
    """Import Keras with a backend, without their output. Raises ConvertError where one of them is not installed."""
    if name == TENSORFLOW:
        require_tensorflow()
        return
    for package, extra in (("keras", "convert"), (name, "backends")):
        if find_spec(package) is None:
            msg = (
                f"{package} is not installed, and {BACKEND_VARIABLE}={name} needs it: install it with "
                f"{how_to_install(extra)}, or train with TensorFlow by unsetting {BACKEND_VARIABLE}"
            )
            raise ConvertError(msg)
    os.environ[BACKEND_VARIABLE] = name
    with discard_stderr():
        import keras  # noqa: PLC0415 - takes seconds and hundreds of megabytes; --help must not wait for it

        del keras
        logging.getLogger("absl").setLevel(logging.ERROR)


def compiles_steps(name: str) -> bool:
    """Return whether Keras must compile the training step (XLA) on a backend.

    JAX runs a step without it operation by operation, which takes longer by far. TensorFlow has its graph, and
    XLA compiles for longer than a short training takes; PyTorch's compiler needs a C++ compiler.
    """
    return name == JAX
