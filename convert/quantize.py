"""Full-integer post-training quantization: int8 weights, int8 activations, integers in and out."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from convert.calibration import Picture, to_network
from convert.errors import ConvertError
from convert.floatmodel import FloatModel, with_probabilities
from convert.quiet import quiet
from convert.runtimes.int8 import Int8Model
from edge.manifest import ModelInput

InOut = Literal["int8", "uint8"]

_PROBE: Final = 8
"""Pictures on which it is decided whether outputs are probabilities: each alone would do."""
_FLOAT_KINDS: Final = "fc"


def quantize(model: FloatModel, spec: ModelInput, pictures: Sequence[Picture], in_out: InOut = "int8") -> bytes:
    """Convert to a .tflite whose every operation works on integers; batch size 1.

    `pictures`: grey (h, w) or BGR (h, w, 3), from training data; they set the activations' ranges.
    Raises ConvertError where `spec` does not fit the model, or an operation has no integer form.
    """
    check_fits(model, spec)
    samples = [to_network(picture, spec)[None] for picture in pictures]
    model = with_probabilities(model, np.concatenate(samples[:_PROBE]))
    signature = [tf.TensorSpec([1, model.height, model.width, model.channels], tf.float32)]
    try:
        with quiet():
            traced = tf.function(model.call, input_signature=signature).get_concrete_function()
            # Variables become constants first: the calibrator cannot read the resource variables that
            # Keras 3 models keep ("READ_VARIABLE failed to invoke").
            frozen = convert_variables_to_constants_v2(traced)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _feed(samples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = getattr(tf, in_out)
            content = bytes(converter.convert())
    except Exception as error:  # the converter raises whatever MLIR gives it
        lines = [line for line in str(error).splitlines() if line.strip()]
        msg = f"model {model.path} cannot be converted to full int8: {lines[0] if lines else type(error).__name__}"
        raise ConvertError(msg) from error
    verify_integer_only(content, in_out)
    return content


def check_fits(model: FloatModel, spec: ModelInput) -> None:
    """Raise ConvertError where the described input is not the model's."""
    if spec.channels != model.channels:
        msg = (
            f"model {model.path} takes {model.channels} channel(s), which does not fit colour {spec.colour!r} "
            f"({spec.channels}): give --colour {'gray' if model.channels == 1 else 'rgb or bgr'}"
        )
        raise ConvertError(msg)
    if (spec.height, spec.width) != (model.height, model.width):
        msg = f"model {model.path} takes {model.width}x{model.height} pixels, not {spec.width}x{spec.height}"
        raise ConvertError(msg)


def _feed(samples: Sequence[NDArray[np.float32]]) -> Iterator[list[NDArray[np.float32]]]:
    for sample in samples:
        yield [sample]


def verify_integer_only(content: bytes, in_out: InOut) -> None:
    """Raise ConvertError if any tensor of the graph is float, or input or output are not as asked."""
    model = Int8Model(content)
    floats = sorted({str(np.dtype(kind)) for kind in model.tensor_dtypes() if np.dtype(kind).kind in _FLOAT_KINDS})
    if floats:
        msg = f"the converted model still holds {', '.join(floats)} tensors: it is not full int8"
        raise ConvertError(msg)
    if {model.input.dtype, model.output.dtype} != {in_out}:
        msg = f"the converted model takes {model.input.dtype} and gives {model.output.dtype}, not {in_out}"
        raise ConvertError(msg)
