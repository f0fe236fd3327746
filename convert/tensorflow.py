"""TensorFlow without its chatter, and one sentence where it is not installed."""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from convert.errors import ConvertError


@contextmanager
def quiet() -> Iterator[None]:
    """Send what C++ and Python write to standard error into nothing while the block runs.

    TensorFlow's loader and converter log before any level can be set, straight to file descriptor 2.
    Errors still arrive as exceptions.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def require_tensorflow() -> None:
    """Import TensorFlow and Keras quietly. Raises ConvertError where they are not installed."""
    for package in ("tensorflow", "keras"):
        if find_spec(package) is None:
            msg = f"{package} is not installed, and this command needs it: pip install emotion-edge[convert]"
            raise ConvertError(msg)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet():
        import keras  # noqa: PLC0415 - seconds and hundreds of megabytes, for commands that need it only
        import tensorflow as tf  # noqa: PLC0415

        del keras
        tf.get_logger().setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
