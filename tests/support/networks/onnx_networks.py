"""Writes networks of ONNX with random weights; a program for the Python that has onnx.

    python onnx_networks.py FOLDER

Writes first.onnx, five classes on pictures of 48x48 pixels, grey, channels first, logits; last.onnx, the same with
channels last, any number of pictures at once and a softmax, as Keras exports it; and what cannot be converted:
batch.onnx, sizes.onnx, half.onnx, two.onnx, quantized.onnx, cut.onnx.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5


class Network:
    """Collects the nodes and weights of one network."""

    def __init__(self, dtype=np.float32):
        self.rng, self.dtype = np.random.default_rng(6), dtype
        self.nodes, self.weights = [], []

    def weight(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=self.dtype), name))
        return name

    def add(self, kind, *inputs, **attributes):
        result = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [result], **attributes))
        return result

    def layer(self, x, inputs, outputs, stride=1, groups=1, kernel=3):
        shape = (outputs, inputs // groups, kernel, kernel)
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        x = self.add(
            "Conv",
            x,
            self.weight(self.rng.normal(0, deviation, shape)),
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=groups,
        )
        norm = (
            self.rng.uniform(0.5, 1.5, outputs),
            self.rng.normal(0, 0.1, outputs),
            np.zeros(outputs),
            np.ones(outputs),
        )
        return self.add("Relu", self.add("BatchNormalization", x, *map(self.weight, norm)))

    def classifier(self, x):
        x = self.layer(self.layer(x, 1, 16, stride=2), 16, 16, groups=16)
        x = self.layer(self.layer(x, 16, 32, kernel=1), 32, 32, stride=2)
        x = self.add("Flatten", self.add("GlobalAveragePool", x), axis=1)
        # Centred on what the features are like, so that each class is the first for some pictures.
        weights = self.rng.normal(0, 6, (CLASSES, 32))
        weights -= weights.mean(axis=1, keepdims=True)
        return self.add("Gemm", x, self.weight(weights), self.weight(np.zeros(CLASSES)), transB=1)


def written(path, network, shape, result, extra=()):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(network.dtype))
    inputs = [helper.make_tensor_value_info("pictures", kind, shape), *extra]
    outputs = [helper.make_tensor_value_info(result, kind, [shape[0], CLASSES])]
    graph = helper.make_graph(network.nodes, "network", inputs, outputs, network.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main(folder):
    for name, shape in (("first", [1, 1, 48, 48]), ("batch", [4, 1, 48, 48]), ("sizes", [1, 1, "height", "width"])):
        network = Network()
        written(folder / f"{name}.onnx", network, shape, network.classifier("pictures"))
    network = Network()
    logits = network.classifier(network.add("Transpose", "pictures", perm=[0, 3, 1, 2]))
    written(folder / "last.onnx", network, ["unk__1", 48, 48, 1], network.add("Softmax", logits, axis=1))
    network = Network(np.float16)
    written(folder / "half.onnx", network, [1, 1, 48, 48], network.classifier("pictures"))
    network = Network()
    more = helper.make_tensor_value_info("more", TensorProto.FLOAT, [1, CLASSES])
    written(
        folder / "two.onnx", network, [1, 1, 48, 48], network.add("Add", network.classifier("pictures"), "more"), [more]
    )
    network = Network()
    zero = numpy_helper.from_array(np.zeros((), dtype=np.int8), "zero")
    network.weights.append(zero)
    scale = network.weight(1 / 64)
    steps = network.add("QuantizeLinear", "pictures", scale, "zero")
    result = network.classifier(network.add("DequantizeLinear", steps, scale, "zero"))
    written(folder / "quantized.onnx", network, [1, 1, 48, 48], result)
    content = (folder / "first.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(content[: len(content) // 2])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
