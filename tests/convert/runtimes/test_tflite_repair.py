"""Float .tflite files of other converters, which TensorFlow's quantizer refuses as they are."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from pathlib import Path

import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from convert.runtimes.tflite import FloatTfliteModel, Int8Model
from convert.runtimes.tflite_export import quantize_tflite
from convert.runtimes.tflite_repair import packed, repaired, with_finite_padding

SAMPLES = np.random.default_rng(1).uniform(-1, 1, (20, 6, 6, 2)).astype(np.float32)


@pytest.fixture(scope="module", params=[-np.inf, np.finfo(np.float32).min])
def as_other_converters_write_it(request):
    """Max pooling with a border of -infinity and a PReLU, in the shapes of onnx2tf, with the entry of litert-torch."""
    rng = np.random.default_rng(2)
    kernel, slope = (tf.constant(rng.normal(0, 0.5, shape).astype(np.float32)) for shape in ((1, 1, 2, 4), (1, 1, 4)))

    @tf.function(input_signature=[tf.TensorSpec((1, 6, 6, 2), tf.float32)])
    def network(x):
        x = tf.nn.conv2d(x, kernel, 1, "VALID")
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=request.param)
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        return tf.reduce_mean(tf.nn.relu(x) + slope * tf.nn.relu(-x), axis=(1, 2))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
    model = schema.ModelT.InitFromPackedBuf(converter.convert(), 0)
    graph = model.subgraphs[0]
    kinds = [model.operatorCodes[each.opcodeIndex].builtinCode for each in graph.operators]
    pad = graph.operators[kinds.index(schema.BuiltinOperator.PADV2)]
    prelu = graph.operators[kinds.index(schema.BuiltinOperator.PRELU)]
    graph.tensors[pad.inputs[2]].shape = [1]
    graph.tensors[prelu.inputs[1]].shape = [1, *graph.tensors[prelu.inputs[1]].shape]
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"keep_stablehlo_constant", len(model.buffers)
    model.buffers.append(schema.BufferT())
    model.metadata = [*(model.metadata or []), entry]
    return packed(model)


def test_repaired_file_gives_the_same_answers_in_int8(as_other_converters_write_it):
    content = with_finite_padding(repaired(as_other_converters_write_it), SAMPLES)
    expected = FloatTfliteModel(as_other_converters_write_it).predict(SAMPLES)
    np.testing.assert_allclose(FloatTfliteModel(content).predict(SAMPLES), expected, atol=1e-6)
    quantized = quantize_tflite(Path("m.onnx"), content, lambda: ([sample[None]] for sample in SAMPLES), "int8")
    model = Int8Model(quantized)
    assert not {np.dtype(kind).kind for kind in model.tensor_dtypes()} & {"f"}
    assert np.abs(model.predict(SAMPLES) - expected).max() < 0.02 * np.abs(expected).max()


def test_file_without_such_padding_stays_as_it_is():
    double = tf.function(lambda x: x * 2, input_signature=[tf.TensorSpec((1, 6, 6, 2), tf.float32)])
    content = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()], double).convert()
    assert with_finite_padding(content, SAMPLES) is content
