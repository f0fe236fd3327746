"""A user's model of each kind of output, from `quantize` to the probabilities of the device's classifier."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.cli import main
from convert.data.fer2013 import LABELS
from convert.quantization.quantize import quantize
from convert.release.export import ModelDescription, write_model
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import load_float_model
from edge.commands.doctor.vision_checks import VisionChecks
from edge.config.schema import Config, ModelConfig
from edge.errors import ModelError
from edge.vision.classification.classifier import Classifier

L = keras.layers


def pictures():
    """Return pictures of seven kinds: one bright line each."""
    images = np.random.default_rng(0).normal(70, 8, (70, 16, 16)).clip(0, 255).astype(np.uint8)
    for number, image in enumerate(images):
        image[2 * (number % 7) + 1, 1:15] = 230
    return images


def save(path, *, activation, front=(), noise=0.0):
    """Save a network that recognises them by a weight of each line, and return the path."""
    model = keras.Sequential([keras.Input((16, 16, 1)), *front, L.Flatten(), L.Dense(7, activation=activation)])
    kernel = np.zeros((16, 16, 7), np.float32)
    for label in range(7):
        kernel[2 * label + 1, :, label] = 0.6
    model.layers[-1].set_weights([kernel.reshape(256, 7) + noise, np.full(7, -4.5, np.float32)])
    model.save(path)
    return path


def command(folder, model, *more):
    np.save(folder / "pictures.npy", pictures())
    calibration = str(folder / "pictures.npy")
    base = ["quantize", str(model), "--range", "0", "1", "--calibration", calibration]
    return [*base, "--output", str(folder), "--name", "made", *more]


def edit(path, **changes):
    content = json.loads(path.with_suffix(".json").read_text())
    content |= changes
    path.with_suffix(".json").write_text(
        json.dumps({key: value for key, value in content.items() if value is not None})
    )


def test_sigmoids_are_divided_by_their_sum(tmp_path, capfd):
    source = save(tmp_path / "s.keras", activation="sigmoid")
    assert main(command(tmp_path, source)) == 0
    out, err = capfd.readouterr()
    assert "the outputs are sigmoids" in out
    assert "warning" not in out
    steps = [
        out.index(step) for step in ("reading ", "converting to int8", "correcting the biases", "same label on 100 %")
    ]
    assert steps == sorted(steps)
    summary = out[out.index("wrote ") :].splitlines()
    assert summary[1:3] == [
        "input: 16x16 pixels, gray; pixel values 0 to 255 become 0 to 1",
        "labels, in the order of the outputs: angry, disgust, fear, happy, neutral, sad, surprise",
    ]
    shown = [
        re.fullmatch(r"  pictures\.npy row (\d+) +float: (\w+) 0\.\d\d +int8: (\w+) 0\.\d\d", line)
        for line in summary[4:7]
    ]
    for number, by_float, by_int8 in (match.groups() for match in shown):
        assert by_float == by_int8 == LABELS[int(number) % 7]
    assert len({match[1] for match in shown}) == 3
    assert err == ""
    path = tmp_path / "made.tflite"
    device = Classifier(path)
    rows = np.stack([device.classify_crop(picture) for picture in pictures()])
    values = load_float_model(source).predict(pictures()[..., None].astype(np.float32) / 255)
    expected = values / values.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rows, expected, atol=0.03)
    assert (rows.argmax(axis=1) == np.arange(70) % 7).all()
    assert (rows.max(axis=1) > device.manifest.thresholds.unknown_below).all()
    # A manifest that does not say so, as another tool would write it, is refused.
    edit(path, outputs=None)
    with pytest.raises(ModelError, match=r"made\.tflite .* so they are sigmoids, not probabilities") as error:
        VisionChecks(Config(model=ModelConfig(name=str(path)))).by_name()["model"]()  # what `doctor` runs
    assert "\n" not in str(error.value)


def test_logits_are_converted_only_where_the_manifest_states_them(tmp_path):
    model = load_float_model(save(tmp_path / "l.keras", activation="linear"))
    spec = describe_input(model, (0.0, 1.0))
    content = quantize(replace(model, kind="probabilities"), spec, list(pictures()))  # leaves the logits as they are
    labels = tuple("abcdefg")
    path = write_model(content, spec, ModelDescription("l", labels, 0.0, 1.0, 0.4, "none", "tests"), tmp_path)
    with pytest.raises(ModelError, match=r"so they are logits, not probabilities: \"outputs\": \"logits\""):
        Classifier(path)
    edit(path, outputs="sigmoids")
    with pytest.raises(ModelError, match="so they are logits, not sigmoids"):
        Classifier(path)
    edit(path, outputs="logits")
    device = Classifier(path)
    rows = np.stack([device.classify_crop(picture) for picture in pictures()])
    values = model.predict(pictures()[..., None].astype(np.float32) / 255)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    np.testing.assert_allclose(rows, powers / powers.sum(axis=1, keepdims=True), atol=0.05)


def test_model_that_int8_destroys_is_refused_with_figures(tmp_path, capfd):
    """One channel a thousand times as large as those that decide takes the whole range of eight bits."""
    inputs = keras.Input((16, 16, 1))
    flat = L.Flatten()(inputs)
    both = L.Dense(8, name="both")(flat)
    model = keras.Model(inputs, L.Dense(7, activation="softmax", name="last")(both))
    kernel = np.zeros((16, 16, 8), np.float32)
    for label in range(7):
        kernel[2 * label + 1, :, label] = 0.6e-2
    kernel[..., 7] = 1
    model.get_layer("both").set_weights([kernel.reshape(256, 8), np.zeros(8, np.float32)])
    last = np.vstack([1e2 * np.eye(7), np.zeros((1, 7))]).astype(np.float32)
    model.get_layer("last").set_weights([last, np.zeros(7, np.float32)])
    model.save(tmp_path / "m.keras")
    assert main(command(tmp_path, tmp_path / "m.keras")) == 1
    error = capfd.readouterr().err
    assert "loses too much in int8: float and int8 give the same label on only" in error
    assert "of 70 calibration pictures" in error
    assert "--range (0 1)" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "made.tflite").exists()


def test_low_agreement_and_few_pictures_are_warned_of(tmp_path, capfd):
    """Weights of noise: most labels are nearly ties, which rounding decides."""
    inputs = keras.Input((16, 16, 1))
    model = keras.Model(inputs, L.Dense(7, activation="softmax", name="last")(L.Flatten()(inputs)))
    kernel = np.random.default_rng(1).normal(0, 0.025, (256, 7)).astype(np.float32)
    model.get_layer("last").set_weights([kernel - kernel.mean(axis=0), np.zeros(7, np.float32)])
    model.save(tmp_path / "m.keras")
    options = command(tmp_path, tmp_path / "m.keras")
    np.save(tmp_path / "pictures.npy", pictures()[:49])
    assert main(options) == 0
    out = capfd.readouterr().out
    assert "warning: 49 calibration pictures are too few" in out
    low = re.search(r"warning: float and int8 give the same label on only (\d+) % of 49 calibration pictures, .*", out)
    assert 50 <= int(low[1]) < 95
    assert "--range (0 1) or --colour (gray)" in low[0]


def test_faces_that_would_be_unknown_and_double_scaling_are_warned_of(tmp_path, capfd):
    source = save(tmp_path / "m.keras", activation="softmax", front=[L.Rescaling(1 / 255)])
    assert main(command(tmp_path, source)) == 0
    out = capfd.readouterr().out
    warnings = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2, out
    assert "the model scales its input itself" in warnings[0]
    assert "100 % of the 70 calibration pictures fall below --unknown-below 0.4" in warnings[1]
