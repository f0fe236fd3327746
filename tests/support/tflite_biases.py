"""Reads and shifts the biases of a .tflite."""

import numpy as np

from convert.quantization.tflite_graph import TfliteGraph


def with_shifted_biases(int8, quanta):
    """Returns the model with each bias moved by this number of its quanta, with alternating signs."""
    graph = TfliteGraph(int8)
    for layer in graph.layers:
        bias = graph.constant(layer.bias)
        bias += quanta * (1 - 2 * (np.arange(len(bias)) % 2)).astype(np.int32)
    return graph.content


def biases(content):
    graph = TfliteGraph(content)
    return [graph.constant(layer.bias).copy() for layer in graph.layers]
