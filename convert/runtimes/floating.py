"""The float model as TensorFlow Lite runs it: what the converter changes before anything is quantized."""

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from convert.errors import ConvertError
from convert.floatmodel import FloatModel
from convert.quiet import quiet


def to_float_tflite(model: FloatModel) -> bytes:
    """Convert to a .tflite of float32 throughout, batch size 1.

    Raises ConvertError where an operation has no TensorFlow Lite form.
    """
    signature = [tf.TensorSpec([1, model.height, model.width, model.channels], tf.float32)]
    try:
        with quiet():
            traced = tf.function(model.call, input_signature=signature).get_concrete_function()
            # As in `convert.quantize`: what follows differs from it in nothing but the numbers.
            frozen = convert_variables_to_constants_v2(traced)
            return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module()).convert())
    except Exception as error:  # the converter raises whatever MLIR gives it
        lines = [line for line in str(error).splitlines() if line.strip()]
        msg = f"model {model.path} cannot be converted to float: {lines[0] if lines else type(error).__name__}"
        raise ConvertError(msg) from error
