"""A float .tflite as a model: its ends, a softmax on it, and its int8 form."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.errors import ConvertError
from convert.progress import Heartbeat
from convert.quantization.study import quantize_by_agreement
from convert.runtimes.float_tflite import model_of_tflite
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.network_ends import last_operations, scaled_input
from convert.runtimes.outputs import with_usable_outputs
from convert.runtimes.tflite_export import to_float_tflite

L = keras.layers
SAMPLES = np.random.default_rng(0).random((24, 8, 8, 1), dtype=np.float32)
IMAGES = list((SAMPLES * 255).astype(np.uint8))


def network(*front, activation=None):
    keras.utils.set_random_seed(3)
    spread = keras.initializers.RandomNormal(stddev=1.5)
    layers = [
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.GlobalAveragePooling2D(),
        L.Dense(3, kernel_initializer=spread),
    ]
    layers += [L.Activation(activation)] if activation else []
    return keras.Sequential([keras.Input((8, 8, 1)), *front, *layers])


def keras_model(made):
    return FloatModel(Path("m.keras"), lambda x: made(x, training=False), 8, 8, 1, 3, made)


def as_from_another_framework(made, answers=None):
    """The network as a float .tflite, and Keras in the place of the framework that it came from."""
    original = keras_model(made)
    return model_of_tflite(Path("m.onnx"), to_float_tflite(original), answers or original.predict)


@pytest.mark.parametrize(
    ("activation", "operation", "kind"),
    [
        (None, "MatMul", "probabilities"),
        ("softmax", "Softmax", "probabilities"),
        ("sigmoid", "Sigmoid", "sigmoids"),
        ("log_softmax", "LogSoftmax", "probabilities"),
    ],
)
def test_end_of_the_network_is_recognised(activation, operation, kind):
    model = as_from_another_framework(network(activation=activation))
    assert last_operations(model)[0] == operation
    usable = with_usable_outputs(model, SAMPLES)
    assert usable.kind == kind
    rows = usable.predict(SAMPLES)
    np.testing.assert_allclose(rows, usable.original(SAMPLES), atol=1e-5)
    assert (rows.argmax(axis=1) == model.predict(SAMPLES).argmax(axis=1)).all()
    if kind == "probabilities":
        np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "relu", "relu6"])
def test_end_that_is_neither_probabilities_nor_logits_is_refused(activation):
    model = as_from_another_framework(network(activation=activation))
    with pytest.raises(ConvertError, match=r"m\.onnx cannot be used: .* neither probabilities nor logits"):
        with_usable_outputs(model, SAMPLES)


def test_scaling_in_front_is_found():
    # With padding in between no converter can fold it into the weights.
    scaled = as_from_another_framework(network(L.Rescaling(1 / 127.5, offset=-1)))
    assert scaled_input(scaled, 0, 255) == pytest.approx((-1, 1, False), abs=1e-5)
    assert scaled_input(as_from_another_framework(network()), 0, 255) is None


def test_int8_form_is_compared_with_the_original():
    lines = []
    made = network()
    model = as_from_another_framework(made)
    result = quantize_by_agreement(model, describe_input(model, (0.0, 1.0)), IMAGES, "uint8", Heartbeat(lines.append))
    assert result.kind == "probabilities"
    expected = keras.ops.softmax(made(np.stack(IMAGES) / 255.0)).numpy()
    np.testing.assert_allclose(result.reference, expected, atol=1e-5)
    assert np.abs(result.outputs - result.reference).mean() < 0.02
    assert any("differs from the original by at most" in line for line in lines)
    assert "float and int8 give the same label on 100 % of 24 calibration pictures" in lines


def test_network_that_was_converted_wrongly_is_refused():
    made = network()
    turned = as_from_another_framework(made, lambda pictures: made(pictures.transpose(0, 2, 1, 3)).numpy())
    with pytest.raises(ConvertError, match=r"m\.onnx was converted wrongly, and nothing was written"):
        quantize_by_agreement(turned, describe_input(turned, (0.0, 1.0)), IMAGES, "int8", Heartbeat(lambda _: None))


def test_weights_that_are_not_finite_are_refused():
    made = network()
    kernel = made.layers[0].kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ConvertError, match=r"m\.onnx is damaged: \d+ of the 36 weights"):
        as_from_another_framework(made)


def test_output_that_is_no_row_of_scores_is_refused():
    maps = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(3, 3)])
    with pytest.raises(ConvertError, match=r"m\.onnx gives \(1, 6, 6, 3\) for a picture, not one row"):
        as_from_another_framework(maps)
