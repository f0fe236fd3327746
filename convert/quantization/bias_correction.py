"""Corrects an int8 model's biases by the mean error that rounding adds to each layer's output.

Rounded weights are multiplied with inputs whose mean is not zero (ReLU6 gives no negative ones), so that a
part of the error is the same for every image. It is measured and subtracted from the int32 biases, layer
after layer, each with the outputs of the corrected layers before it: Nagel et al. 2019, "Data-Free
Quantization Through Weight Equalization and Bias Correction", section 4.2 and appendix D (the empirical
form). The file keeps its size, its scales and its speed.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.progress import Tick, no_tick
from convert.quantization.tflite_graph import Layer, TfliteGraph

SAMPLES: Final = 64
"""Number of images: twice as many change the agreement with float by less than its standard error, 0.2 points."""
_INT32: Final = np.iinfo(np.int32)


def correct_biases(
    int8: bytes, reference: bytes, samples: Sequence[NDArray[np.float32]], tick: Tick = no_tick
) -> bytes:
    """Return a full-integer .tflite with corrected biases.

    `reference`: the same network as a float .tflite. `samples`: float32 (height, width, channels) each, from
    training data. `tick`: is called with the layers done and their number. A bias that the file stores once for
    several layers is not changed. Raises ConvertError where the two files do not have the same layers.
    """
    quantized, floating = TfliteGraph(int8), TfliteGraph(reference)
    if [layer.form for layer in quantized.layers] != [layer.form for layer in floating.layers]:
        msg = "biases cannot be corrected: the converter gave the float and the int8 model different layers"
        raise ConvertError(msg)
    expected = _mean_outputs(floating, samples)
    for at, (layer, inputs) in enumerate(quantized.inputs_in_turn(samples)):
        tick(at, len(expected))
        if not quantized.can_replace_bias(layer):
            continue
        (input_scale,), zero_point = quantized.quantization(layer.input)
        bias_scale = input_scale * quantized.quantization(layer.weights)[0]
        patch = mean_patch(layer, _mean(inputs), zero_point)
        measured = _mean_output(quantized, layer, patch - zero_point)
        bias = quantized.constant(layer.bias)
        bias[:] = np.clip(bias + np.rint(expected[at] / bias_scale - measured), _INT32.min, _INT32.max)
    return quantized.content


def _mean_outputs(graph: TfliteGraph, samples: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    """Return the mean output (outputs,) of each layer of a float graph."""
    sums: list[NDArray[np.float64]] = []
    for inputs in graph.inputs_of(graph.layers, samples):
        sums = sums or [np.zeros(value.shape) for value in inputs]
        for total, value in zip(sums, inputs, strict=True):
            np.add(total, value, out=total)
    return [
        _mean_output(graph, layer, mean_patch(layer, total / len(samples), 0))
        for layer, total in zip(graph.layers, sums, strict=True)
    ]


def _mean(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the mean of arrays of the same shape; exact for integers."""
    total = np.zeros(values[0].shape)
    for value in values:
        total += value
    return total / len(values)


def mean_patch(layer: Layer, values: NDArray[Any], border: int) -> NDArray[np.float64]:
    """Return the mean of a layer's input over all positions of its kernel.

    `values`: (1, height, width, channels), or (1, inputs) of a dense layer; the mean over images gives their mean
    patch. `border`: the value of padding. Returns (kernel height, kernel width, channels) or (inputs,). A layer
    is linear, so its mean output is its output for the mean patch.
    """
    if layer.dense:
        return np.asarray(values.reshape(-1, layer.shape[1]).mean(axis=0, dtype=np.float64))
    plane = values[0]
    steps, pads = [], []
    for size, kernel, stride in zip(plane.shape[:2], layer.shape[1:3], layer.stride, strict=True):
        count = -(-size // stride) if layer.same else (size - kernel) // stride + 1
        missing = max(0, (count - 1) * stride + kernel - size)
        # TensorFlow's SAME: of an odd padding the larger part is below and to the right.
        pads.append((missing // 2, missing - missing // 2))
        steps.append((count - 1) * stride + 1)
    plane = np.pad(plane, (*pads, (0, 0)), constant_values=border)
    down, across = layer.stride
    return np.stack(
        [
            np.stack(
                [
                    plane[row : row + steps[0] : down, column : column + steps[1] : across].mean(
                        axis=(0, 1), dtype=np.float64
                    )
                    for column in range(layer.shape[2])
                ]
            )
            for row in range(layer.shape[1])
        ]
    )


def _mean_output(graph: TfliteGraph, layer: Layer, patch: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the layer's output (outputs,) for its mean patch, before the activation, in the weights' units."""
    weights = graph.constant(layer.weights).astype(np.float64)
    if layer.depthwise:
        products = (weights[0] * patch).sum(axis=(0, 1))
    else:
        products = weights.reshape(len(weights), -1) @ patch.ravel()
    return np.asarray(products + graph.constant(layer.bias))
