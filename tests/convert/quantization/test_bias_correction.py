"""Rounding errors that are added to small networks on purpose, and their correction."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import tensorflow as tf

from convert.errors import ConvertError
from convert.quantization.bias_correction import correct_biases, mean_patch
from convert.quantization.tflite_graph import TfliteGraph
from convert.runtimes.tflite import Int8Model
from convert.runtimes.tflite_export import to_float_tflite
from support.layered_model import layered_model
from support.tflite_biases import biases, with_shifted_biases


def test_output_for_mean_patch_is_mean_output(converted):
    """The mean of TensorFlow's outputs at all positions equals the output for the mean patch."""
    _, _, floating, inputs = converted
    graph = TfliteGraph(floating)
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


def test_shifted_biases_are_corrected(converted):
    model, int8, floating, inputs = converted
    expected = model.predict(np.stack(inputs))
    shifted = with_shifted_biases(int8, 3000)

    def error(content):
        return np.abs(Int8Model(content).predict(np.stack(inputs)) - expected).mean()

    corrected = correct_biases(shifted, floating, inputs)
    assert error(shifted) > 4 * error(int8)
    assert error(corrected) <= 1.1 * error(int8)
    for one, other in zip(biases(corrected), biases(correct_biases(int8, floating, inputs)), strict=True):
        # Equal from either start, because the layers before a layer are corrected first.
        np.testing.assert_allclose(one, other, atol=1)


def test_correction_changes_only_biases_and_is_deterministic(converted):
    _, int8, floating, inputs = converted
    corrected = correct_biases(int8, floating, inputs)
    assert corrected == correct_biases(int8, floating, inputs)
    assert len(corrected) == len(int8)
    before, after = TfliteGraph(int8), TfliteGraph(corrected)
    for one, other in zip(before.layers, after.layers, strict=True):
        np.testing.assert_array_equal(before.constant(one.weights), after.constant(other.weights))
    assert Int8Model(corrected).quantization == Int8Model(int8).quantization


def test_reference_of_another_network_is_refused(converted, tmp_path):
    _, int8, _, inputs = converted
    other = to_float_tflite(layered_model(tmp_path / "other.keras", units=5))
    with pytest.raises(ConvertError, match="different layers"):
        correct_biases(int8, other, inputs)
