"""Full-integer post-training quantization: int8 weights, int8 activations, integers in and out."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import tensorflow as tf

from convert.errors import ConvertError
from convert.quantization.bias_correction import PICTURES, correct_biases
from convert.quantization.calibration import Picture, to_network
from convert.runtimes.keras_model import FloatModel, with_probabilities
from convert.runtimes.tflite import Int8Model
from convert.runtimes.tflite_export import to_float_tflite, to_tflite
from edge.manifest import ModelInput

InOut = Literal["int8", "uint8"]

_FLOAT_KINDS: Final = "fc"


def quantize(model: FloatModel, spec: ModelInput, pictures: Sequence[Picture], in_out: InOut = "int8") -> bytes:
    """Convert to a .tflite whose every operation works on integers; batch size 1.

    `pictures`: grey (h, w) or BGR (h, w, 3), from training data; they set the activations' ranges.
    Raises ConvertError where `spec` does not fit the model, or an operation has no integer form.
    """
    check_fits(model, spec)
    samples = [to_network(picture, spec) for picture in pictures]
    model = with_probabilities(model, samples)

    def set_up(converter: Any) -> None:  # noqa: ANN401 - TensorFlow has no types
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, in_out)

    content = to_tflite(model, "full int8", set_up)
    verify_integer_only(content, in_out)
    return content


def corrected(content: bytes, model: FloatModel, spec: ModelInput, pictures: Sequence[Picture]) -> bytes:
    """Return what `quantize` made of a model with its biases corrected on the first of the same pictures.

    Raises ConvertError where the converter gave the float and the int8 form different layers.
    """
    samples = [to_network(picture, spec) for picture in pictures[:PICTURES]]
    return correct_biases(content, to_float_tflite(with_probabilities(model, samples)), samples)


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
