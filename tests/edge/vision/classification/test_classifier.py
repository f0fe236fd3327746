"""Tests of loading, checking and running a model; each model is the shipped one or a damaged copy."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge.errors import ModelError
from edge.types import Box, Frame
from edge.vision.classification.classifier import RUNTIMES, Classifier, find_runtime
from edge.vision.classification.manifest import find_model


@pytest.fixture(scope="module")
def classifier():
    return Classifier(find_model("normal"))


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped model, to be damaged: its path, and a function that edits the manifest."""
    model = tmp_path / "m.tflite"
    shutil.copy(find_model("normal"), model)
    manifest = model.with_suffix(".json")
    shutil.copy(find_model("normal").with_suffix(".json"), manifest)

    def edit(change=None, *, rehash=False):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        if change is not None:
            change(content)
        if rehash:
            content["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(content), encoding="utf-8")

    return model, edit


def face_frame(composite, side=180):
    """Return a frame that shows one composite, and the box around it."""
    luma = np.full((240, 320), 110, np.uint8)
    luma[30 : 30 + side, 70 : 70 + side] = cv2.resize(composite, (side, side), interpolation=cv2.INTER_CUBIC)
    return Frame(0, 0.0, luma, 0.0, 0.0), Box(70, 30, side, side)


def composites():
    strip = cv2.imread(str(Path(edge.__file__).parent / "assets" / "actor.png"), cv2.IMREAD_GRAYSCALE)
    return {
        label: strip[:, 48 * place : 48 * (place + 1)]
        for place, label in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"))
    }


def test_plain_expressions_of_the_actor_are_classified(classifier):
    found = {}
    for label, composite in composites().items():
        frame, box = face_frame(composite)
        (probabilities,) = classifier.classify(frame, [box])
        assert probabilities.shape == (len(classifier.labels),)
        assert probabilities.dtype == np.float32
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        found[label] = classifier.labels[int(probabilities.argmax())]
    right = [label for label, classified in found.items() if label == classified]
    assert {"neutral", "happy", "surprise"} <= set(right), found
    assert len(right) >= 5, found


def test_predictions_have_the_order_of_the_boxes(classifier):
    happy, box = face_frame(composites()["happy"])
    one, two = classifier.classify(happy, [box, Box(0, 0, 60, 60)])
    (again,) = classifier.classify(happy, [box])
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, two)


def test_no_boxes_give_no_predictions(classifier):
    assert classifier.classify(face_frame(composites()["sad"])[0], []) == []


def test_runtime_is_the_one_that_this_environment_expects():
    expected = os.environ.get("EMOTION_EDGE_EXPECT_RUNTIME")
    if expected is None:
        pytest.skip("EMOTION_EDGE_EXPECT_RUNTIME is not set: `make test` sets it in each environment")
    assert find_runtime().name == expected


def test_two_threads_give_the_same_predictions(classifier):
    frame, box = face_frame(composites()["surprise"])
    other = Classifier(find_model("normal"), threads=2)
    np.testing.assert_array_equal(classifier.classify(frame, [box])[0], other.classify(frame, [box])[0])


def test_missing_interpreter_is_named():
    missing = [name for name in RUNTIMES if not _importable(name)]
    if not missing:
        pytest.skip("both interpreters are installed here")
    with pytest.raises(ModelError, match=missing[0]):
        find_runtime(missing[0])


def _importable(name):
    try:
        find_runtime(name)
    except ModelError:
        return False
    return True


def error_of(model):
    with pytest.raises(ModelError) as caught:
        Classifier(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_undamaged_copy_loads(copy):
    model, edit = copy
    edit()
    assert Classifier(model).labels == Classifier(find_model("normal")).labels


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda manifest: (manifest["labels"].append("bored"), manifest.pop("neutral_reading")),
            "7, the manifest names 8 labels",
        ),
        (lambda manifest: manifest["input"].update(width=64), "x64x1 (gray)"),
        (lambda manifest: manifest["input"].update(colour="rgb"), "rgb"),
        (lambda manifest: manifest["quantization"]["input"].update(scale=0.5), "scale"),
        (lambda manifest: manifest["quantization"]["output"].update(zero_point=3), "zero point"),
    ],
)
def test_manifest_that_does_not_fit_names_both_files(copy, change, reason):
    model, edit = copy
    edit(change)
    message = error_of(model)
    assert "m.tflite" in message
    assert "m.json" in message
    assert reason in message


def test_manifest_of_another_model_is_rejected(copy):
    model, edit = copy
    edit(lambda manifest: manifest.update(sha256="0" * 64))
    assert "m.json" in error_of(model)


def test_truncated_model_is_rejected_by_its_hash(copy):
    model, edit = copy
    edit()
    model.write_bytes(model.read_bytes()[:100_000])
    assert "m.tflite" in error_of(model)


def test_truncated_model_with_a_matching_hash_is_rejected_by_the_interpreter(copy):
    if find_runtime().name == "tflite-runtime":
        pytest.skip("tflite-runtime 2.14 does not verify the file and crashes on it: only the hash protects there")
    model, edit = copy
    model.write_bytes(model.read_bytes()[:100_000])
    edit(rehash=True)
    assert "m.tflite" in error_of(model)


@pytest.mark.parametrize("content", [b"", b"this is text, and a good deal of it\n"])
def test_file_that_is_not_a_model_is_named(copy, content):
    model, edit = copy
    model.write_bytes(content)
    edit(rehash=True)
    assert "m.tflite" in error_of(model)


def test_kind_of_outputs_that_the_manifest_states_is_checked(copy):
    model, edit = copy
    edit(lambda manifest: manifest.update(outputs="logits"))
    message = error_of(model)
    assert "m.json" in message
    assert 'so they are probabilities, not logits: "outputs": "probabilities" in the manifest' in message
    # Sigmoids may sum to 1 on every test picture; divided by their sum, probabilities stay as they are.
    edit(lambda manifest: manifest.update(outputs="sigmoids"))
    stated, plain = Classifier(model), Classifier(find_model("normal"))
    for composite in composites().values():
        frame, box = face_frame(composite)
        np.testing.assert_allclose(stated.classify(frame, [box])[0], plain.classify(frame, [box])[0], atol=1e-3)
    edit(lambda manifest: manifest.update(outputs="scores"))
    assert "outputs" in error_of(model)


def test_manifest_with_a_byte_order_mark_is_read(copy):
    model, edit = copy
    edit()
    manifest = model.with_suffix(".json")
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    assert Classifier(model).manifest.output_kind == "probabilities"
