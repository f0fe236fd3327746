import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras
import numpy as np

from convert.quantization.tflite_graph import TfliteGraph
from convert.runtimes.keras_model import load_float_model
from convert.runtimes.tflite_export import to_float_tflite
from support.tflite_biases import with_shifted_biases


def test_layers_are_read_from_a_file(converted):
    _, int8, floating, _ = converted
    layers = TfliteGraph(int8).layers
    assert [layer.shape for layer in layers] == [(8, 3, 3, 1), (1, 3, 3, 8), (12, 3, 2, 8), (7, 12)]
    assert [layer.stride for layer in layers] == [(2, 2), (1, 1), (1, 2), (1, 1)]
    assert [layer.same for layer in layers] == [True, True, False, False]
    assert [layer.depthwise for layer in layers] == [False, True, False, False]
    assert [layer.form for layer in layers] == [layer.form for layer in TfliteGraph(floating).layers]


def test_content_of_the_caller_is_not_changed(converted):
    _, int8, _, _ = converted
    before = bytes(int8)
    with_shifted_biases(int8, 5)
    assert int8 == before
    assert TfliteGraph(int8).content == before


def test_bias_shared_by_two_layers_cannot_be_replaced(tmp_path):
    """The converter stores equal constants once, so replacing one would replace the other."""
    inputs = keras.Input((14, 17, 1))
    one, two = (keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones")(inputs) for _ in range(2))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([one, two]))
    keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(pooled)).save(tmp_path / "m.keras")
    model = load_float_model(tmp_path / "m.keras")
    graph = TfliteGraph(to_float_tflite(model))
    convolutions = [layer for layer in graph.layers if not layer.dense]
    assert len(convolutions) == 2
    assert [graph.can_replace_bias(layer) for layer in convolutions] == [False] * len(convolutions)


def test_inputs_in_turn_are_those_of_whole_runs(converted):
    _, int8, floating, inputs = converted
    for content in (int8, floating):
        graph = TfliteGraph(content)
        whole = list(graph.inputs_of(graph.layers, inputs))
        for number, (layer, values) in enumerate(graph.inputs_in_turn(inputs)):
            assert layer == graph.layers[number]
            np.testing.assert_array_equal(np.stack(values), np.stack([each[number] for each in whole]))


def test_inputs_in_turn_are_computed_with_the_changed_constants_before_them(converted):
    _, int8, _, inputs = converted
    graph = TfliteGraph(int8)
    for layer, values in graph.inputs_in_turn(inputs):
        (expected,) = zip(*TfliteGraph(graph.content).inputs_of([layer], inputs), strict=True)
        np.testing.assert_array_equal(np.stack(values), np.stack(expected))
        graph.constant(layer.bias)[:] += 1000
