"""Networks of PyTorch, ONNX and Keras, from their files to the device's classifier; `make test-frameworks` runs it.

The other tests need none of these packages: onnx2tf and litert-torch have an environment each, of gigabytes.
"""

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.cli import main
from convert.frameworks.original import Original, find_python
from convert.runtimes.float_tflite import softmax
from convert.runtimes.inputs import to_network
from edge.types import Box, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import ModelInput, load_manifest

if not os.environ.get("EMOTION_EDGE_TEST_FRAMEWORKS"):
    pytest.skip("make test-frameworks runs this file", allow_module_level=True)

NETWORKS = Path(__file__).parents[2] / "support" / "networks"
THREE = ("calm", "tense", "tired")
FIVE = ("Ruhig", "sehr müde", "tense", "glad", "low")
COUNT = 100


def made(tmp_path_factory, framework):
    folder = tmp_path_factory.mktemp(framework)
    program = NETWORKS / ("onnx_networks.py" if framework == "onnx" else "pytorch_networks.py")
    subprocess.run([find_python(framework), "-W", "ignore", program, folder], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory):
    return made(tmp_path_factory, "torch")


@pytest.fixture(scope="module")
def onnx_files(tmp_path_factory):
    return made(tmp_path_factory, "onnx")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A hundred coarse pictures in random colours, dark to bright, 160x160 pixels, BGR, and their folder."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(8)
    coarse = rng.uniform(0, 105, (COUNT, 6, 6, 3)) + rng.uniform(0, 150, (COUNT, 1, 1, 1))
    images = [cv2.resize(image, (160, 160), interpolation=cv2.INTER_NEAREST) for image in coarse.astype(np.uint8)]
    for at, image in enumerate(images):
        cv2.imwrite(str(folder / f"{at:03}.png"), image)
    return folder, images


def quantize(path, labels, pictures, folder, *more):
    options = ["--labels", ",".join(labels), "--calibration", str(pictures[0]), "--output", str(folder), *more]
    return main(["quantize", str(path), *options, "--name", "mine"])


def compare_with(answers, path, labels, images, capfd):
    """Compare the device's answers for the pictures with the original's, `answers` (pictures, float32 input)."""
    assert capfd.readouterr().err == ""
    manifest = load_manifest(path)
    assert manifest.labels == labels
    device = Classifier(path)
    rows = np.stack([read(device, image) for image in images])
    expected = answers(np.stack([to_network(image, manifest.input) for image in images]))
    assert rows.shape == expected.shape == (COUNT, len(labels))
    assert len(set(expected.argmax(axis=1))) > 1
    assert (rows.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.95
    assert np.abs(rows - expected).mean() < 0.02
    return manifest


def read(device, image):
    frame = Frame(0, 0.0, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 0.0, 0.0, bgr=image)
    (row,) = device.classify(frame, [Box(0, 0, image.shape[1], image.shape[0])])
    return row


def per_channel(path):
    """Return whether some weights of the file have a scale for each output channel."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - it was skipped above where it is missing

    tensors = Interpreter(model_path=str(path)).get_tensor_details()
    return any(len(tensor["quantization_parameters"]["scales"]) > len(FIVE) for tensor in tensors)


def test_pytorch_network_of_three_classes(torch_files, pictures, tmp_path, capfd):
    source = torch_files / "mobile.pt2"
    assert quantize(source, THREE, pictures, tmp_path, "--range", "-1", "1") == 0
    assert "compared with those of torch 2" in capfd.readouterr().out
    with Original(source, "torch", find_python("torch")) as original:
        manifest = compare_with(
            lambda inputs: softmax(original.run(inputs, channels_last=False)),
            tmp_path / "mine.tflite",
            THREE,
            pictures[1],
            capfd,
        )
    assert (manifest.input.width, manifest.input.height, manifest.input.colour) == (160, 160, "rgb")
    assert per_channel(tmp_path / "mine.tflite")


@pytest.mark.parametrize(("name", "last"), [("first", False), ("last", True)])
def test_onnx_network_of_five_classes(onnx_files, pictures, tmp_path, capfd, name, last):
    source = onnx_files / f"{name}.onnx"
    assert quantize(source, FIVE, pictures, tmp_path, "--range", "-1", "1") == 0
    assert "compared with those of onnxruntime 1" in capfd.readouterr().out
    with Original(source, "onnx", find_python("onnx")) as original:

        def answers(inputs):
            outputs = original.run(inputs, channels_last=last)
            return outputs if last else softmax(outputs)

        manifest = compare_with(answers, tmp_path / "mine.tflite", FIVE, pictures[1], capfd)
    assert (manifest.input.width, manifest.input.height, manifest.input.colour) == (48, 48, "gray")
    assert per_channel(tmp_path / "mine.tflite")


def test_keras_network_of_five_classes(pictures, tmp_path, capfd):
    keras.utils.set_random_seed(2)
    layers = keras.layers
    source = keras.Input((48, 48, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2)(source)))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 3, strides=2, activation="relu")(x))
    dense = layers.Dense(5)
    network = keras.Model(source, layers.Softmax()(dense(features)))
    # Five directions, 72 degrees apart, in the plane in which the features of the pictures differ most.
    spec = ModelInput(width=48, height=48, colour="gray", value_range=(-1.0, 1.0))
    values = keras.Model(source, features)(np.stack([to_network(image, spec) for image in pictures[1]])).numpy()
    centred = values - values.mean(axis=0)
    angles = np.arange(5) * 2 * np.pi / 5
    kernel = np.linalg.svd(centred, full_matrices=False)[2][:2].T @ np.stack([np.cos(angles), np.sin(angles)])
    kernel *= 3 / (centred @ kernel).std()
    dense.set_weights([kernel, -values.mean(axis=0) @ kernel])
    network.save(tmp_path / "net.keras")
    assert quantize(tmp_path / "net.keras", FIVE, pictures, tmp_path) == 0
    compare_with(
        lambda inputs: network(inputs, training=False).numpy(), tmp_path / "mine.tflite", FIVE, pictures[1], capfd
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("batch.pt2", "takes 8 pictures at once, (8, 3, 160, 160): export it for one, (1, 3, 160, 160)"),
        ("sizes.pt2", "takes pictures of changing size, (1, 3, ?, ?)"),
        ("two.pt2", "has 2 inputs and 1 outputs"),
        ("half.pt2", "has weights of float16: export it in float32, as network.float()"),
        ("training.pt2", "was exported in training mode: call network.eval()"),
        ("weights.pt", "is a pickle (a state_dict, a checkpoint or a whole module), which is not read"),
        ("cut.pt2", "is cut off"),
        ("pickle.pt2", "cannot be read: it holds a pickle that names"),
    ],
)
def test_pytorch_file_that_cannot_be_converted_is_one_sentence(torch_files, pictures, tmp_path, capfd, name, message):
    refused(torch_files / name, THREE, pictures, tmp_path, capfd, message)
    assert not (torch_files / "trace").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("batch.onnx", "takes 4 pictures at once, (4, 1, 48, 48): export it for one, (1, 1, 48, 48)"),
        ("sizes.onnx", "takes pictures of changing size, (1, 1, height, width)"),
        ("two.onnx", "has 2 inputs and 1 outputs"),
        ("half.onnx", "has weights of float16: export it in float32"),
        ("quantized.onnx", "is quantized already"),
        ("cut.onnx", "is empty, cut off or of another format"),
    ],
)
def test_onnx_file_that_cannot_be_converted_is_one_sentence(onnx_files, pictures, tmp_path, capfd, name, message):
    refused(onnx_files / name, FIVE, pictures, tmp_path, capfd, message)


def refused(path, labels, pictures, folder, capfd, message):
    assert quantize(path, labels, pictures, folder) == 1
    error = capfd.readouterr().err
    assert error.startswith(f"emotion-convert: model {path} ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(folder.iterdir())
