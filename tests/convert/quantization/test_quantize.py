import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.errors import ConvertError
from convert.evaluation.forms import label_agreement
from convert.quantization.calibration import CalibrationSet, training_faces
from convert.quantization.quantize import quantize, verify_integer_only
from convert.runtimes.inputs import network_inputs, to_network
from convert.runtimes.keras_model import load_float_model
from convert.runtimes.tflite import Int8Model
from edge.vision.classification.manifest import ModelInput
from support.small_models import GREY, noise_images, small_model


@pytest.mark.parametrize("in_out", ["int8", "uint8"])
def test_quantized_graph_has_only_integers_and_the_requested_input_and_output(tmp_path, in_out):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    int8 = Int8Model(quantize(model, GREY, noise_images(), in_out))
    assert {np.dtype(kind).name for kind in int8.tensor_dtypes()} <= {"int8", "uint8", "int32", "int64"}
    assert (int8.input.dtype, int8.output.dtype) == (in_out, in_out)
    # The converter's rule for softmax: 256 steps from 0 to 1.
    assert int8.output.scale == 1 / 256
    assert int8.output.zero_point == (-128 if in_out == "int8" else 0)


def test_float_tensors_are_reported(tmp_path):
    import tensorflow as tf  # noqa: PLC0415

    model = keras.models.load_model(small_model(tmp_path / "m.keras"))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(ConvertError, match="still holds float32 tensors"):
        verify_integer_only(content, "int8")


def test_wrong_input_and_output_type_is_reported(tmp_path):
    content = quantize(load_float_model(small_model(tmp_path / "m.keras")), GREY, noise_images(), "int8")
    with pytest.raises(ConvertError, match="takes int8 and gives int8, not uint8"):
        verify_integer_only(content, "uint8")


def test_int8_probabilities_are_near_float(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    images = noise_images(100)
    inputs = np.stack([to_network(image, GREY) for image in images])
    reference = model.predict(inputs)
    quantized = Int8Model(quantize(model, GREY, images)).predict(inputs)
    # Two roundings to 256 steps of the input and of the logits, whose scale here is about 0.05: a
    # probability p moves by at most about 0.05 * p * (1 - p) * 2, and the output rounds by 1/512.
    np.testing.assert_allclose(quantized, reference, atol=0.04)


@pytest.mark.footage
@pytest.mark.long
def test_pilot_model_keeps_its_labels(data):
    """300 PublicTest faces. On 1,655 of them 96.7 % of the labels stayed the same, whatever the
    calibration set, at the same accuracy: only ties changed. The standard error on 300 is one point."""
    from convert.data.fer2013 import load_split  # noqa: PLC0415

    spec = ModelInput(width=96, height=96, colour="rgb", value_range=(-1.0, 1.0))
    model = load_float_model(data / "pilot_96.keras")
    inputs = network_inputs(load_split(data, "PublicTest").images[:300], spec)
    quantized = Int8Model(quantize(model, spec, training_faces(data, CalibrationSet("half", 30))))
    assert label_agreement(model.predict(inputs), quantized.predict(inputs)) >= 0.935


def test_quantization_is_deterministic(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    assert quantize(model, GREY, noise_images()) == quantize(model, GREY, noise_images())
