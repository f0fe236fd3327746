"""Converts float models to TensorFlow Lite.

The float .tflite shows what the converter changes before anything is quantized.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator
from tensorflow.lite.python.util import modify_model_io_type

from convert.errors import ConvertError, one_line, reason_of
from convert.runtimes.frozen_graph import freeze
from convert.runtimes.keras_model import FloatModel
from convert.tensorflow import discard_stderr, first_error


def to_float_tflite(model: FloatModel) -> bytes:
    """Convert to a .tflite of float32 throughout, batch size 1.

    A model that came as such a file is that file. Raises ConvertError where an operation has no TensorFlow Lite form.
    """
    if model.tflite is not None:
        return model.tflite
    return to_tflite(model, "float", lambda _: None)


def to_tflite(model: FloatModel, form: str, configure: Callable[[Any], None]) -> bytes:
    """Convert to a .tflite of batch size 1 with a `tf.lite.TFLiteConverter` that `configure` has set up.

    `form`: name of the result in the error message. Raises ConvertError where the converter fails.
    """
    try:
        with discard_stderr():
            frozen = freeze(model)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
            configure(converter)
            return bytes(converter.convert())
    except Exception as error:  # the converter raises whatever MLIR gives it
        msg = f"model {model.path} cannot be converted to {form}: {reason_of(error)}"
        raise ConvertError(msg) from error


def quantize_tflite(path: Path, content: bytes, samples: Callable[[], Iterable[list[Any]]], in_out: str) -> bytes:
    """Make a .tflite of integer operations of a float one, per channel, with input and output of the type `in_out`.

    These are the steps that `tf.lite.TFLiteConverter` takes behind its conversion; it has no public way to take
    them on a .tflite that another converter made. `path`: the file of the network, for the error message. `samples`:
    yields calibration inputs, each a list of one float32 (1, height, width, channels). Raises ConvertError where an
    operation has no integer form.
    """
    kind = getattr(tf, in_out)
    with discard_stderr() as written:
        try:
            calibrated = Calibrator(content).calibrate(samples)
            # Float input and output at first: only the last step knows uint8.
            return bytes(modify_model_io_type(mlir_quantize(calibrated), kind, kind))
        except Exception as error:  # an error without a message, if MLIR refuses an operation
            reason = first_error(written) or reason_of(error)
            msg = f"model {path} cannot be converted to full int8: {one_line(reason)}"
            raise ConvertError(msg) from error
