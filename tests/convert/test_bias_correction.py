"""Rounding errors put into small networks on purpose, and taken out again."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")

import keras
import tensorflow as tf

from convert.errors import ConvertError
from convert.quantization.bias_correction import correct_biases, mean_patch
from convert.quantization.calibration import to_network
from convert.quantization.quantize import quantize
from convert.quantization.tflite_graph import LiteGraph
from convert.runtimes.keras_model import load_float_model
from convert.runtimes.tflite import Int8Model
from convert.runtimes.tflite_export import to_float_tflite
from edge.manifest import ModelInput

GREY = ModelInput(width=17, height=14, colour="gray", value_range=(-1.0, 1.0))


def network(path, units=7):
    """Every kind of layer that is corrected, both paddings, strides, an odd size."""
    keras.utils.set_random_seed(11)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((14, 17, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6", bias_initializer="random_normal"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu6", bias_initializer="random_normal"),
            layers.Conv2D(12, (3, 2), strides=(1, 2), activation="relu", bias_initializer="random_normal"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(
                units,
                activation="softmax",
                kernel_initializer=keras.initializers.RandomNormal(stddev=4),
                bias_initializer="ones",
            ),
        ]
    )
    model.save(path)
    return load_float_model(path)


def samples(count=16):
    rng = np.random.default_rng(0)
    faces = [rng.integers(low, 256, (48, 48)).astype(np.uint8) for low in np.linspace(0, 200, count).astype(int)]
    return faces, [to_network(face, GREY) for face in faces]


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    model = network(tmp_path_factory.mktemp("model") / "m.keras")
    faces, inputs = samples()
    return model, quantize(model, GREY, faces), to_float_tflite(model), inputs


def shifted(int8, by):
    """Return the model with biases moved by so many of their quanta: +, -, + ..."""
    graph = LiteGraph(int8)
    for layer in graph.layers:
        bias = graph.constant(layer.bias)
        bias += by * (1 - 2 * (np.arange(len(bias)) % 2)).astype(np.int32)
    return graph.content


def biases(content):
    graph = LiteGraph(content)
    return [graph.constant(layer.bias).copy() for layer in graph.layers]


def test_the_layers_of_a_file_are_found(converted):
    _, int8, exact, _ = converted
    layers = LiteGraph(int8).layers
    assert [layer.shape for layer in layers] == [(8, 3, 3, 1), (1, 3, 3, 8), (12, 3, 2, 8), (7, 12)]
    assert [layer.stride for layer in layers] == [(2, 2), (1, 1), (1, 2), (1, 1)]
    assert [layer.same for layer in layers] == [True, True, False, False]
    assert [layer.depthwise for layer in layers] == [False, True, False, False]
    assert [layer.form for layer in layers] == [layer.form for layer in LiteGraph(exact).layers]


def test_the_mean_patch_gives_the_mean_output(converted):
    """What TensorFlow computes at every position, averaged, is what one mean patch gives."""
    _, _, exact, inputs = converted
    graph = LiteGraph(exact)
    for number, layer in enumerate(graph.layers[:3]):
        ((values,),) = list(graph.inputs_of([layer], inputs[:1]))
        weights, padding = graph.constant(layer.weights), "SAME" if layer.same else "VALID"
        patch = mean_patch(layer, values, 0)
        if layer.depthwise:
            out = tf.nn.depthwise_conv2d(values, weights[0][..., None], [1, *layer.stride, 1], padding)
            found = (weights[0] * patch).sum(axis=(0, 1))
        else:
            out = tf.nn.conv2d(values, weights.transpose(1, 2, 3, 0), layer.stride, padding)
            found = weights.reshape(len(weights), -1) @ patch.ravel()
        np.testing.assert_allclose(found, out.numpy().mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5, err_msg=str(number))


def test_a_shift_of_the_biases_is_found_and_taken_out(converted):
    model, int8, exact, inputs = converted
    wanted = model.predict(np.stack(inputs))
    spoilt = shifted(int8, 3000)

    def error(content):
        return np.abs(Int8Model(content).predict(np.stack(inputs)) - wanted).mean()

    corrected = correct_biases(spoilt, exact, inputs)
    assert error(spoilt) > 4 * error(int8)
    assert error(corrected) <= 1.1 * error(int8)
    for one, other in zip(biases(corrected), biases(correct_biases(int8, exact, inputs)), strict=True):
        # The same place from either start: what comes before a layer is corrected before it.
        np.testing.assert_allclose(one, other, atol=1)


def test_only_biases_change_and_twice_gives_the_same_bytes(converted):
    _, int8, exact, inputs = converted
    corrected = correct_biases(int8, exact, inputs)
    assert corrected == correct_biases(int8, exact, inputs)
    assert len(corrected) == len(int8)
    before, after = LiteGraph(int8), LiteGraph(corrected)
    for one, other in zip(before.layers, after.layers, strict=True):
        np.testing.assert_array_equal(before.constant(one.weights), after.constant(other.weights))
    assert Int8Model(corrected).quantization == Int8Model(int8).quantization


def test_a_file_is_not_changed_by_reading_it(converted):
    _, int8, _, _ = converted
    before = bytes(int8)
    shifted(int8, 5)
    assert int8 == before
    assert LiteGraph(int8).content == before


def test_another_network_is_refused(converted, tmp_path):
    _, int8, _, inputs = converted
    other = to_float_tflite(network(tmp_path / "other.keras", units=5))
    with pytest.raises(ConvertError, match="different layers"):
        correct_biases(int8, other, inputs)


def test_a_bias_that_two_layers_share_stays(tmp_path):
    """The converter stores equal constants once, so replacing one would replace the other."""
    inputs = keras.Input((14, 17, 1))
    one, two = (keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones")(inputs) for _ in range(2))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([one, two]))
    keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(pooled)).save(tmp_path / "m.keras")
    model = load_float_model(tmp_path / "m.keras")
    graph = LiteGraph(to_float_tflite(model))
    convolutions = [layer for layer in graph.layers if not layer.dense]
    assert len(convolutions) == 2
    assert [graph.can_replace_bias(layer) for layer in convolutions] == [False] * len(convolutions)
