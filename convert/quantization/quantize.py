"""Full-integer post-training quantization: int8 weights and activations, integer input and output."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.progress import Tick, no_tick
from convert.quantization.bias_correction import SAMPLES, correct_biases
from convert.runtimes.inputs import Image, check_fits, to_network
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.outputs import with_usable_outputs
from convert.runtimes.tflite import Int8Model
from convert.runtimes.tflite_export import quantize_tflite, to_float_tflite, to_tflite
from convert.runtimes.tflite_repair import with_finite_padding
from edge.vision.classification.manifest import ModelInput

InOut = Literal["int8", "uint8"]

_FLOAT_KINDS: Final = "fc"


def quantize(
    model: FloatModel, spec: ModelInput, images: Sequence[Image], in_out: InOut = "int8", tick: Tick = no_tick
) -> bytes:
    """Convert to a .tflite of integer operations only; batch size 1.

    `images`: grey (h, w) or BGR (h, w, 3), from training data; they set the ranges of the activations. `tick`: is
    called with the images that were used and their number.
    Raises ConvertError where `spec` does not fit the model, or an operation has no integer form.
    """
    check_fits(model, spec)
    samples = [to_network(image, spec) for image in images]
    model = with_usable_outputs(model, samples)

    def counted_samples() -> Iterator[list[NDArray[np.float32]]]:
        for at, sample in enumerate(samples):
            tick(at, len(samples))
            yield [sample[None]]

    def configure(converter: Any) -> None:  # noqa: ANN401 - TensorFlow has no types
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = counted_samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, in_out)

    if model.tflite is not None:
        content = quantize_tflite(model.path, with_finite_padding(model.tflite, samples), counted_samples, in_out)
    else:
        content = to_tflite(model, "full int8", configure)
    try:
        verify_integer_only(content, in_out)
    except (RuntimeError, ValueError) as error:  # the interpreter's, where it cannot run the graph
        msg = f"the int8 form of model {model.path} cannot be run: {reason_of(error)}"
        raise ConvertError(msg) from error
    return content


def with_corrected_biases(
    content: bytes, model: FloatModel, spec: ModelInput, images: Sequence[Image], tick: Tick = no_tick
) -> bytes:
    """Return the result of `quantize` with its biases corrected on the first 64 of the same images.

    `tick`: is called with the layers that are done and their number.

    Raises ConvertError where the converter gave the float and the int8 form different layers.
    """
    samples = [to_network(image, spec) for image in images[:SAMPLES]]
    return correct_biases(content, to_float_tflite(with_usable_outputs(model, samples)), samples, tick)


def verify_integer_only(content: bytes, in_out: InOut) -> None:
    """Raise ConvertError where a tensor of the graph is float, or input or output do not have the type `in_out`."""
    model = Int8Model(content)
    floats = sorted({str(np.dtype(kind)) for kind in model.tensor_dtypes() if np.dtype(kind).kind in _FLOAT_KINDS})
    if floats:
        msg = f"the converted model still holds {', '.join(floats)} tensors: it is not full int8"
        raise ConvertError(msg)
    if {model.input.dtype, model.output.dtype} != {in_out}:
        msg = f"the converted model takes {model.input.dtype} and gives {model.output.dtype}, not {in_out}"
        raise ConvertError(msg)
