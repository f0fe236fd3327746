"""The command `quantize`: a user's own model, from the command line to the device's classifier."""

import json
import re
import shlex
import tomllib

import h5py
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.cli import main
from convert.runtimes.tflite import Int8Model
from edge.cli import main as edge_main
from edge.types import Box, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import load_manifest
from edge.vision.classification.outputs import calibrate
from support.photograph import write_photograph

LABELS = "anger,disgust,fear,joy,calm,sorrow,surprise"


def model_of_the_card():
    """The model card's network, with random weights that make its outputs differ."""
    keras.utils.set_random_seed(2)
    base = keras.applications.MobileNetV2(include_top=True, weights=None)
    # Fresh batch norm statistics let random activations fade out over 52 layers, and every picture
    # looks the same: one batch in training mode gives the statistics that a trained network has.
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    pictures = raw_images(4).astype(np.float32)
    base(pictures, training=True)
    # A trained network's 1,000 classes are peaked, and not all pictures have the same peak; random ones
    # are flat and alike, and 1/1000 rounds to 0 in the 256 steps of an integer softmax.
    last = base.layers[-1]
    features = keras.Model(base.input, last.input)
    logits = np.asarray(features(pictures, training=False)) @ last.get_weights()[0]
    last.set_weights([last.get_weights()[0] * 30, -30 * logits.mean(axis=0)])
    spread = keras.initializers.RandomNormal(stddev=2.0)
    hidden = keras.layers.Dense(128, activation="relu", kernel_initializer=spread)(base.output)
    hidden = keras.layers.Dense(64, activation="relu")(hidden)
    return keras.Model(base.input, keras.layers.Dense(7, activation="softmax", kernel_initializer=spread)(hidden))


def raw_images(count):
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (count, 7, 7, 3)).astype(np.uint8)
    return small.repeat(32, axis=1).repeat(32, axis=2)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """The card's network as an .h5 the way Keras 2 wrote it, and calibration pictures."""
    folder = tmp_path_factory.mktemp("card")
    model = model_of_the_card()
    assert model.count_params() == 3_675_823
    model.save(folder / "card.h5")
    as_keras_2_wrote_it(folder / "card.h5")
    np.savez(folder / "pictures.npz", images=raw_images(2))
    return folder


def as_keras_2_wrote_it(path):
    """Put `groups: 1` into every depthwise layer, as Keras 2 did."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layers = config["config"]["layers"]
        depthwise = [layer for layer in layers if layer["class_name"] == "DepthwiseConv2D"]
        assert len(depthwise) == 17
        for layer in depthwise:
            layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)


@pytest.fixture(scope="module")
def small_card(tmp_path_factory):
    """A network with the inputs and outputs of the card's, which loads at once."""
    folder = tmp_path_factory.mktemp("small")
    inputs = keras.Input((224, 224, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(pooled)).save(folder / "card.h5")
    np.savez(folder / "pictures.npz", images=raw_images(2))
    return folder


def options(card, *more):
    pictures = str(card / "pictures.npz")
    return [
        *("quantize", str(card / "card.h5"), "--labels", LABELS, "--colour", "bgr", "--range", "0", "255"),
        *("--calibration", pictures, "--output", str(card / "out"), "--name", "card", *more),
    ]


def test_model_of_the_card_converts_and_runs_on_the_device(card, capfd):
    assert main(options(card, "--in-out", "uint8", "--licence", "mine")) == 0
    assert capfd.readouterr().err == ""
    path = card / "out" / "card.tflite"
    manifest = load_manifest(path)
    assert manifest.labels == tuple(LABELS.split(","))
    assert manifest.input.colour == "bgr"
    assert (manifest.input.width, manifest.input.height) == (224, 224)
    assert manifest.input.value_range == (0.0, 255.0)
    assert manifest.quantization.input.dtype == "uint8"
    assert manifest.licence == "mine"

    device = Classifier(path)
    pictures = raw_images(6)
    rows = np.stack([read(device, picture) for picture in pictures])
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)
    assert len({row.tobytes() for row in rows}) > 1
    # The same integers through the converter's own reader: the device feeds it raw 0..255 in the order
    # blue, green, red. How near int8 comes to float is for trained networks to show: through random
    # weights and a softmax over 1,000 classes the rounding grows beyond measure.
    model = Int8Model(path.read_bytes())
    expected = calibrate(model.predict(pictures.astype(np.float32)), 1.0, model.output.scale)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    swapped = calibrate(model.predict(pictures[..., ::-1].astype(np.float32)), 1.0, model.output.scale)
    assert np.abs(swapped - rows).max() > 0.05


def read(device, picture):
    frame = Frame(0, 0.0, picture[..., 1].copy(), 0.0, 0.0, bgr=picture)
    (row,) = device.classify(frame, [Box(0, 0, picture.shape[1], picture.shape[0])])
    return row


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--labels", "a,b"), "has 7 outputs, but --labels names 2"),
        (("--labels", "a,,c"), "at least two different names"),
        (("--colour", "gray"), "does not fit colour 'gray'"),
        (("--range", "1", "1"), "must rise"),
        (("--name", "../x"), "plain file name"),
        (("--calibration", "/nowhere"), "calibration source /nowhere"),
    ],
)
def test_wrong_option_is_one_sentence(small_card, capfd, changes, message):
    assert main(options(small_card, *changes)) == 1
    error = capfd.readouterr().err
    assert error.startswith("emotion-convert: ")
    assert message in error
    assert error.count("\n") == 1


def test_manifest_that_the_device_would_refuse_is_not_written(tmp_path, monkeypatch, capfd):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1))
    outputs = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    np.savez(tmp_path / "p.npz", images=raw_images(4)[..., 0])
    command = ["quantize", str(tmp_path / "m.keras"), "--calibration", str(tmp_path / "p.npz")]
    command += ["--output", str(tmp_path / "out"), "--name", "m"]
    assert main([*command, "--temperature", "0"]) == 1
    assert "temperature" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(command) == 0
    assert load_manifest(tmp_path / "out" / "m.tflite").input.colour == "gray"
    printed = capfd.readouterr().out
    ready = tmp_path / "out" / "m.tflite"
    assert tomllib.loads(printed[printed.index("  [model]") :]) == {"model": {"name": str(ready)}}
    (tried,) = re.findall(r"^try it: (.*)$", printed, re.MULTILINE)
    variable, program, *rest = shlex.split(tried)
    assert (variable, program) == (f"EMOTION_EDGE_MODEL_NAME={ready}", "emotion-edge")
    photo = tmp_path / "photo.png"
    write_photograph(photo)
    monkeypatch.setenv(*variable.split("="))
    assert edge_main([str(photo) if part == "PHOTO.jpg" else part for part in rest]) == 0
    assert "1 face" in capfd.readouterr().out
    assert main(["quantize", str(ready), "--output", str(tmp_path), "--name", "m"]) == 1
    assert "needs no conversion: it runs with a manifest beside it" in capfd.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.json", "m.tflite"]
