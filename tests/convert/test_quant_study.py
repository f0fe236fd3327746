"""What `compare` measures, which it chooses, and that `export` does the same."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")

import keras

from convert.cli import main
from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.quantization.calibration import training_faces
from convert.quantization.study import CalibrationSet, Judge, Trial, choose, input_of, parse_sets
from convert.runtimes.keras_model import load_float_model
from edge.manifest import load_manifest

TRIAL = Trial("half-500", "min-max", 0.8, 0.001, 0.98, 1.0, 0.01, b"")


def linear_model(path, units=7):
    """A dense layer over 8x8 pixels: seconds to convert, and nothing to be trained."""
    keras.utils.set_random_seed(5)
    keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu6", bias_initializer="ones"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(units, activation="softmax", bias_initializer="random_normal"),
        ]
    ).save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ([{}, {"agreement": 0.984}], 1),
        ([{}, {"agreement": 0.9804}], 0),  # the same to the tenth of a point: the first, which is simpler
        ([{}, {"agreement": 0.99, "loss": 0.0031}], 0),
        ([{"loss": 0.01}, {"agreement": 0.99, "loss": 0.02}], 1),  # none keeps the accuracy
        ([{}, {"agreement": 0.99, "loss": -0.01}], 1),
    ],
)
def test_the_highest_agreement_wins_among_those_that_keep_the_accuracy(changes, best):
    found = [replace(TRIAL, **change) for change in changes]
    assert choose(found) is found[best]


def test_a_trial_counts_labels_and_points(small_data, tmp_path, monkeypatch):
    model = load_float_model(linear_model(tmp_path / "m.keras"))
    judge = Judge(model, input_of(model, (-1.0, 1.0)), small_data)
    leader = load_split(small_data, "PublicTest").leader
    said = np.eye(7, dtype=np.float32)[leader]
    judge.reference, judge._sure = said, np.arange(len(said)) < 32
    wrong = said.copy()
    wrong[-8:] = np.roll(said[-8:], 1, axis=1)

    class Fake:
        def __init__(self, content):
            assert content == b"model"

        def predict(self, inputs):
            assert len(inputs) == 64
            return wrong

    monkeypatch.setattr("convert.quantization.study.Int8Model", Fake)
    trial = judge.trial(b"model", "half-500", "min-max")
    assert (trial.accuracy, trial.loss, trial.agreement, trial.sure_agreement) == (0.875, 0.125, 0.875, 1.0)
    assert trial.shift == pytest.approx(8 * 2 / (64 * 7))


def test_calibration_sets(small_data):
    sets = {kind: training_faces(small_data, 21, kind) for kind in ("plain", "camera", "half", "balanced")}
    split = load_split(small_data, "Training")
    of_face = {image.tobytes(): label for image, label in zip(split.images, split.leader, strict=True)}
    assert {len(faces) for faces in sets.values()} == {21}
    untouched = {kind: sum(face.tobytes() in of_face for face in faces) for kind, faces in sets.items()}
    assert untouched == {"plain": 21, "camera": 0, "half": 11, "balanced": 21}
    drawn = [of_face[face.tobytes()] for face in sets["balanced"]]
    assert np.bincount(drawn).tolist() == [3] * 7
    for one, other in zip(sets["balanced"], training_faces(small_data, 21, "balanced"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(training_faces(small_data, 10**6, "balanced")) == len(split)


def test_sets_are_read_from_the_command_line():
    assert parse_sets("half-500, plain-7") == (CalibrationSet("half", 500), CalibrationSet("plain", 7))
    for wrong in ("", "half", "half-0", "half--5", "half-x", "most-5", "half-5,"):
        with pytest.raises(ConvertError, match="--sets must be such as"):
            parse_sets(wrong)


def test_compare_prints_each_trial_and_what_it_chose(small_data, tmp_path, capfd):
    model = linear_model(tmp_path / "m.keras")
    assert main(["compare", str(model), "--sets", "plain-8,half-8", "--data", str(small_data)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    rows = [line.split()[:2] for line in out.splitlines()[1:5]]
    methods = ["min-max", "bias-corrected"]
    assert rows == [[name, method] for name in ("plain-8", "half-8") for method in methods]
    assert "64 images, FER+ majority, ai-edge-litert" in out
    assert "chosen: " in out
    assert "on tflite-runtime" in out or "not measured on the other interpreter" in out


def test_bad_input_is_one_sentence(small_data, tmp_path, capfd):
    model, other = linear_model(tmp_path / "m.keras"), linear_model(tmp_path / "five.keras", units=5)
    data = ["--data", str(small_data)]
    for arguments, said in (
        ([str(model), "--sets", "all"], "--sets must be such as"),
        ([str(tmp_path / "none.keras")], "does not exist"),
        ([str(tmp_path)], "cannot be loaded"),
        ([str(other)], "has 5 outputs"),
        ([str(model), "--range", "1", "-1"], "must rise"),
    ):
        assert main(["compare", *arguments, *data]) == 1
        error = capfd.readouterr().err
        assert error.startswith("emotion-convert: ")
        assert error.count("\n") == 1
        assert said in error


def test_export_takes_the_better_method_and_gives_the_same_bytes_twice(small_data, tmp_path, capfd):
    run = tmp_path / "run"
    run.mkdir()
    linear_model(run / "best.keras")
    files = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        arguments = ["export", "--run", str(run), "--data", str(small_data), "--output", str(folder), "--name", "t"]
        assert main(arguments) == 0
        files.append([(folder / name).read_bytes() for name in ("t.tflite", "t.json")])
    assert files[0] == files[1]
    out = capfd.readouterr().out
    assert "min-max" in out
    assert "bias-corrected" in out
    metrics = load_manifest(tmp_path / "one" / "t.tflite").metrics
    for split in ("PublicTest", "PrivateTest"):
        of = {
            (m.name, m.runtime.split()[0]): m.value for m in metrics if m.split.startswith(split) and "+" in m.dataset
        }
        lost = of["accuracy", "keras"] - of["accuracy", "ai-edge-litert"]
        assert of["accuracy_lost_to_float", "ai-edge-litert"] == pytest.approx(lost, abs=2e-4)
        assert any(m.name == "same_label_as_float" and m.split.startswith(split) for m in metrics)
