"""Imports TensorFlow and Keras, and suppresses what they write to standard error."""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, Final

from convert.errors import ConvertError
from edge.logs.native import redirect_native_stderr
from edge.system.installation import how_to_install

BACKEND_VARIABLE: Final = "KERAS_BACKEND"
"""Environment variable from which Keras takes its backend."""
TENSORFLOW: Final = "tensorflow"


@contextmanager
def discard_stderr() -> Iterator[IO[bytes]]:
    """Discard what C++ and Python write to standard error while the block runs; yield the file that it goes to.

    TensorFlow's loader and converter log straight to file descriptor 2 before any log level can be set.
    Errors still arrive as exceptions.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings(), redirect_native_stderr(sink):
        warnings.simplefilter("ignore")
        try:
            yield sink
        finally:
            sys.stderr.flush()


def first_error(written: IO[bytes]) -> str:
    """Return the first line with an error that was written to a file of `discard_stderr`, "" where there is none."""
    written.seek(0)
    lines = written.read().decode(errors="replace").splitlines()
    return next((line.partition("error: ")[2] for line in lines if "error: " in line), "")


def require_tensorflow() -> None:
    """Import TensorFlow and Keras without their output.

    Raises ConvertError where one of them, or Matplotlib, which draws the reports, is not installed, and where Keras is
    to use another backend.
    """
    backend = os.environ.get(BACKEND_VARIABLE) or TENSORFLOW
    if backend != TENSORFLOW:
        raise ConvertError(
            f"{BACKEND_VARIABLE} is {backend!r}, and this command needs TensorFlow: unset it, or set it to "
            f"{TENSORFLOW}; only `train` runs with another backend"
        )
    for package in (TENSORFLOW, "keras", "matplotlib"):
        if find_spec(package) is None:
            raise ConvertError(
                f"{package} is not installed, and this command needs it: install it with {how_to_install('convert')}"
            )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ[BACKEND_VARIABLE] = TENSORFLOW
    with discard_stderr():
        import keras  # noqa: PLC0415 - takes seconds and hundreds of megabytes; --help must not wait for it
        import tensorflow as tf  # noqa: PLC0415

        del keras
        tf.get_logger().setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
