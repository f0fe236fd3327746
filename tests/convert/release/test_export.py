"""The command `export`, and the model that it writes."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")

from convert.cli import main
from convert.data.augment import resize_face
from convert.data.fer2013 import clean_split, load_split
from convert.release.neutral_reading import reading_on_public_test
from convert.runtimes.inputs import network_inputs
from convert.runtimes.keras_model import load_float_model
from convert.runtimes.tflite import Int8Model, runtime_name
from convert.training.folds import Fold, held_out_faces, read_held_out
from convert.training.network import to_input
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import load_manifest
from edge.vision.classification.outputs import calibrate, to_probabilities
from support.small_models import linear_model


def test_export_compares_both_methods_and_is_deterministic(face_data, tmp_path, capfd):
    run = tmp_path / "run"
    run.mkdir()
    linear_model(run / "best.keras")
    files = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        arguments = ["export", "--run", str(run), "--data", str(face_data), "--output", str(folder), "--name", "t"]
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
        assert -1 <= of["valence_correlation", "keras"] <= 1
        assert -1 <= of["valence_correlation", "ai-edge-litert"] <= 1
        assert any(m.name == "same_label_as_float" and m.split.startswith(split) for m in metrics)


@pytest.mark.long
def test_run_that_left_out_a_fold_keeps_its_predictions_for_it(fold_run, small_data):
    held, faces = read_held_out(fold_run), held_out_faces(load_split(small_data, "Training"), Fold(1, 8))
    assert held.fold == Fold(1, 8)
    np.testing.assert_array_equal(held.rows, faces.rows)
    np.testing.assert_array_equal(held.labels, faces.leader)
    probabilities = load_float_model(fold_run / "best.keras").predict(
        to_input(np.stack([resize_face(image, 32) for image in faces.images]))
    )
    np.testing.assert_allclose(held.probabilities, probabilities, atol=1e-5)


def test_exported_model_loads_on_the_device(exported):
    manifest = load_manifest(exported)
    assert sorted(path.name for path in exported.parent.iterdir()) == ["t.json", "t.keras", "t.tflite"]
    assert manifest.name == "t"
    assert manifest.input.colour == "gray"
    assert manifest.quantization.input.dtype == "int8"
    assert Classifier(exported).labels == manifest.labels
    assert manifest.neutral_reading.split == "PublicTest without images of Training"


def test_neutral_reading_is_that_of_the_exported_model(exported, small_data):
    manifest, int8 = load_manifest(exported), Int8Model(exported.read_bytes())
    split, _ = clean_split(small_data, "PublicTest")
    outputs = int8.predict(network_inputs(split.images, manifest.input))
    calibrated = to_probabilities(outputs, manifest.output_kind, manifest.temperature, int8.output.scale)
    reading = manifest.neutral_reading
    assert reading == reading_on_public_test(calibrated, split, f"{runtime_name()} {int8.input.dtype}")
    assert reading.images > 1
    assert reading.log_odds[manifest.labels.index("neutral")] == 0


def test_manifest_states_metrics_of_both_splits_and_runtimes(exported):
    metrics = load_manifest(exported).metrics
    kinds = {(metric.name, metric.dataset, metric.split.split()[0], metric.runtime.split()[0]) for metric in metrics}
    for split in ("PublicTest", "PrivateTest"):
        for runtime in ("ai-edge-litert", "keras"):
            assert ("accuracy", "FER+ majority", split, runtime) in kinds
            assert ("accuracy", "FER2013", split, runtime) in kinds
    private = {metric.images for metric in metrics if metric.split.startswith("Private") and metric.name == "accuracy"}
    assert private == {59}  # 64 without the five that Training also contains


def test_device_and_evaluation_predict_the_same(exported, face_data):
    manifest, device = load_manifest(exported), Classifier(exported)
    images = load_split(face_data, "PublicTest").images[:12]
    model = Int8Model(exported.read_bytes())
    inputs = network_inputs(images, manifest.input)
    expected = calibrate(model.predict(inputs), manifest.temperature, model.output.scale)
    faces = [np.rint((face[..., 0] + 1) * 127.5).astype(np.uint8) for face in inputs]
    np.testing.assert_allclose(np.stack([device.classify_crop(face) for face in faces]), expected, atol=1e-6)


def test_evaluation_of_the_exported_model_gives_the_metrics_of_its_manifest(exported, face_data, tmp_path, capfd):
    report = tmp_path / "report.json"
    assert main(["evaluate", str(exported), "--data", str(face_data), "--quick", "--json", str(report)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "PrivateTest: 59 images (5 left out, because Training contains them too)" in out
    assert "ai-edge-litert" in out
    content = json.loads(report.read_text(encoding="utf-8"))
    assert [result["dataset"] for result in content["results"]] == ["FER+ majority", "FER2013"] * 2
    assert content["results"][0]["runtime"].startswith("keras")
    assert content["results"][2]["runtime"].startswith("ai-edge-litert")
    stated = {(m.dataset, m.runtime): m.value for m in load_manifest(exported).metrics if m.name == "accuracy"}
    measured = {(r["dataset"], r["runtime"]): round(r["scores"]["accuracy"], 4) for r in content["results"]}
    assert measured == stated
    assert [one["images"] for one in content["valence"]] == [59, 59]
    assert out.count("valence against that of the votes, ") == 2
