"""The float model as TensorFlow Lite runs it: what the converter changes before anything is quantized."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from convert.errors import ConvertError
from convert.runtimes.keras_model import FloatModel
from convert.tensorflow import quiet


def to_float_tflite(model: FloatModel) -> bytes:
    """Convert to a .tflite of float32 throughout, batch size 1.

    Raises ConvertError where an operation has no TensorFlow Lite form.
    """
    return to_tflite(model, "float", lambda _: None)


def to_tflite(model: FloatModel, what: str, set_up: Callable[[Any], None]) -> bytes:
    """Convert to a .tflite, batch size 1, by a `tf.lite.TFLiteConverter` that `set_up` has adjusted.

    `what` names the result in the ConvertError that is raised where the converter fails.
    """
    signature = [tf.TensorSpec([1, model.height, model.width, model.channels], tf.float32)]
    try:
        with quiet():
            traced = tf.function(model.call, input_signature=signature).get_concrete_function()
            # Variables become constants first: the calibrator cannot read the resource variables that
            # Keras 3 models keep ("READ_VARIABLE failed to invoke").
            frozen = convert_variables_to_constants_v2(traced)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
            set_up(converter)
            return bytes(converter.convert())
    except Exception as error:  # the converter raises whatever MLIR gives it
        lines = [line for line in str(error).splitlines() if line.strip()]
        msg = f"model {model.path} cannot be converted to {what}: {lines[0] if lines else type(error).__name__}"
        raise ConvertError(msg) from error
