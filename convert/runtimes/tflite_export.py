"""Converts float models to TensorFlow Lite.

The float .tflite shows what the converter changes before anything is quantized.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from convert.errors import ConvertError, reason_of
from convert.runtimes.frozen_graph import freeze
from convert.runtimes.keras_model import FloatModel
from convert.tensorflow import discard_stderr


def to_float_tflite(model: FloatModel) -> bytes:
    """Convert to a .tflite of float32 throughout, batch size 1.

    Raises ConvertError where an operation has no TensorFlow Lite form.
    """
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
