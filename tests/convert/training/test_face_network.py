import json

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.errors import ConvertError
from convert.training.face_network import SIDE_PX, convert_face_network

MEAN = np.array([103.939, 116.779, 123.68], dtype=np.float32)


def random_network(rng):
    """Return Keras' MobileNet with random weights that keep the values alive, and the batch norms that fold into it."""
    model = keras.applications.MobileNet((SIDE_PX, SIDE_PX, 3), include_top=False, weights=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = len(layer.get_weights()[0])
            scale = np.ones(size) if layer.name.startswith(("conv1", "conv_pw")) else rng.uniform(0.5, 2, size)
            layer.set_weights([scale, rng.normal(0, 0.3, size), np.zeros(size), np.ones(size) - layer.epsilon])
    first = model.get_layer("conv1")
    first.set_weights([first.get_weights()[0] / 100])
    return model


def write_graph(model, path):
    """Write the model as TensorFlow.js writes a graph whose batch norms are folded."""
    nodes, tensors, content = [], [], b""
    for layer in model.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        kernel = {} if norm else {"": layer.get_weights()}
        if norm:
            gamma, beta = layer.get_weights()[:2]
            folded = bool((gamma == 1).all())
            values = {"add_1": beta} if folded else {"mul_1": gamma, "add_1": beta}
            entries = [
                (f"{layer.name}/batchnorm_1/{end}", "Mul" if end == "mul_1" else "Add", v) for end, v in values.items()
            ]
        elif kernel[""]:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            name = f"{layer.name}/depthwise" if depthwise else f"{layer.name}_bn/batchnorm_1/mul_1"
            entries = [(name, "DepthwiseConv2dNative" if depthwise else "Conv2D", kernel[""][0])]
        else:
            continue
        for name, operation, values in entries:
            nodes.append({"name": name, "op": operation, "input": ["before", f"{name}/c"]})
            tensors.append({"name": f"{name}/c", "shape": list(values.shape), "dtype": "float32"})
            content += values.astype("<f4").tobytes()
    path.with_suffix(".bin").write_bytes(content)
    manifest = [{"paths": [path.with_suffix(".bin").name], "weights": tensors}]
    path.write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": manifest}))


def test_converted_network_gives_what_the_graph_gives_and_has_the_statistics_of_faces(tmp_path):
    rng = np.random.default_rng(5)
    original = random_network(rng)
    write_graph(original, tmp_path / "faceres-deep.json")
    faces = rng.integers(0, 256, (4, 48, 48), dtype=np.uint8)
    target = tmp_path / "faces.weights.h5"
    convert_face_network(tmp_path / "faceres-deep.json", faces, target)

    converted = keras.applications.MobileNet((SIDE_PX, SIDE_PX, 3), include_top=False, weights=None)
    converted.load_weights(target)
    pixels = rng.integers(0, 256, (2, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    expected = np.asarray(original(pixels[..., ::-1] - MEAN, training=False))
    # At the border the original pads with the mean colour, the other with middle grey.
    inner = np.s_[:, 1:-1, 1:-1]
    answer = np.asarray(converted(pixels / 127.5 - 1, training=False))
    assert expected[inner].std() > 0.1
    np.testing.assert_allclose(answer[inner], expected[inner], atol=0.05 * expected.max())
    *_, mean, variance = converted.get_layer("conv_pw_5_bn").get_weights()
    assert np.abs(mean).max() > 0
    assert (variance > 0).all()


def test_file_of_another_network_is_refused(tmp_path):
    path = tmp_path / "faceres-deep.json"
    for text in ("no", "{}", '{"modelTopology": {"node": []}, "weightsManifest": []}'):
        path.write_text(text)
        with pytest.raises(ConvertError, match=r"faceres-deep\.json is not the face network faceres-deep of"):
            convert_face_network(path, np.zeros((1, 48, 48), dtype=np.uint8), tmp_path / "faces.weights.h5")
