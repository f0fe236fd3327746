"""The models that ship read the test faces. A copy that is wrong in one way is found, and what mends it is named."""

import hashlib
import json
import logging
import re
import shutil

import cv2
import msgspec
import numpy as np
import pytest

from edge.config.schema import DetectorConfig, EventsConfig
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures
from edge.daemon.model_trial import ModelTrial, warn_of_useless_model
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from edge.vision.detection.detector import Detector

GERMAN = ["wütend", "ekel", "angst", "froh", "ruhig", "traurig", "erstaunt"]


@pytest.fixture
def wrong(tmp_path):
    """Returns a copy of a shipped model with another content of the file, or other values in its manifest."""

    def copy(name="normal", content=None, **changes):
        path = tmp_path / f"{name}.tflite"
        shutil.copy(find_model(name), path)
        if content is not None:
            path.write_bytes(content)
        manifest = json.loads(find_model(name).with_suffix(".json").read_text(encoding="utf-8"))
        manifest["input"] |= {key: value for key, value in changes.items() if key in manifest["input"]}
        manifest |= {key: value for key, value in changes.items() if key in manifest}
        manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_suffix(".json").write_text(json.dumps(manifest), encoding="utf-8")
        return Classifier(path)

    return copy


def warnings(classifier, events=EventsConfig()):  # noqa: B008 - frozen
    return ModelTrial(classifier, events).warnings()


@pytest.mark.parametrize("name", ["normal", "small"])
def test_shipped_model_has_no_warning(name):
    trial = ModelTrial(Classifier(find_model(name)), EventsConfig())
    assert trial.warnings() == []
    assert trial.reading.summary() == "reads 7 of 7 test faces as what they show"


def test_face_is_where_the_detector_finds_it():
    for luma in actor_pictures().values():
        (found,) = Detector(DetectorConfig()).detect(luma)
        assert found.verified
        assert found.box.iou(TEST_FACE) >= 0.75


@pytest.mark.parametrize("name", ["normal", "small"])
def test_range_that_reads_no_face_is_named_with_the_one_that_does(wrong, name):
    classifier = wrong(name, range=[0, 255])
    *found, advice = warnings(classifier)
    assert found
    assert advice.startswith(
        f'with "range": [-1, 1] in {classifier.path.with_suffix(".json")}, instead of "range": [0, 255], the model '
        "reads 7 of 7 test faces"
    )
    assert "--range -1 1 to `emotion-convert quantize`" in advice


@pytest.mark.parametrize("value_range", [[0, 1], [-0.5, 0.5], [-2, 2.44]])
def test_range_that_the_model_was_not_quantized_for_is_named_although_plain_faces_are_read(wrong, value_range):
    """On 700 faces of FER2013 `normal` loses 2 points with [0, 1], and 4 with [-2, 2.44]."""
    (sentence,) = warnings(wrong(range=value_range))
    assert "the input of the model was quantized for [-1, 1]" in sentence
    assert "--range -1 1" in sentence


def test_permuted_labels_are_found(wrong):
    labels = Classifier(find_model("normal")).labels
    found, advice = warnings(wrong(labels=[*labels[1:], labels[0]]))
    assert found.startswith("the model reads 0 of 7 test faces as what they show: angry as disgust (")
    assert f'"labels": {json.dumps(labels)} in the manifest' in advice


def test_labels_in_another_language_are_judged_without_their_meaning(wrong):
    assert warnings(wrong(labels=GERMAN)) == []
    *_, advice = warnings(wrong(labels=GERMAN, range=[1, 255]))
    assert '"range": [-1, 1]' in advice
    assert "gives 7 test faces 7 different labels" in advice


def test_threshold_that_no_face_reaches_is_named(wrong):
    found, advice = warnings(wrong(temperature=12.0))
    assert "at most 2" in found
    assert "lower unknown_below" in advice
    assert "too unsure" in warnings(Classifier(find_model("normal")), EventsConfig(unknown_below=0.9999))[0]


@pytest.mark.once
@pytest.mark.parametrize("layers", [slice(None), slice(-1, None)])
def test_untrained_network_is_found(wrong, layers):
    """Weights in a random order, of all layers or of the last: a network of the right form that learnt nothing."""
    pytest.importorskip("ai_edge_litert", reason="TfliteGraph reads models with ai-edge-litert's schema")
    from convert.quantization.tflite_graph import TfliteGraph  # noqa: PLC0415

    graph, rng = TfliteGraph(find_model("small").read_bytes()), np.random.default_rng(0)
    for layer in graph.layers[layers]:
        weights = graph.constant(layer.weights)
        weights[...] = rng.permutation(weights.ravel()).reshape(weights.shape)
    found, advice = warnings(wrong("small", graph.content))
    assert "the same label: " in found or re.search("the model reads [012] of 7 test faces", found)
    assert "may be untrained" in advice
    assert "[-1, 1]" in advice


class Colour(Classifier):
    """`normal` behind a layer that mixes the channels of a colour picture: it was trained with red as the first."""

    takes_colour = True

    def classify_as(self, face, spec):
        channels = [face.astype(float)[..., at] for at in range(3)]
        if spec.colour == "gray":
            channels = [np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), float)] * 3
        first, _, last = channels[::-1] if spec.colour == "rgb" else channels
        # Of skin as it is tinted here, the sum is the luma with red first, and hardly anything with blue first.
        mixed = np.clip(1.43 * first - 0.92 * last, 0, 255).astype(np.uint8)
        return super().classify_as(cv2.merge([mixed] * 3), msgspec.structs.replace(spec, colour="gray"))


def test_colour_that_reads_the_faces_is_named():
    classifier = Colour(find_model("normal"))
    classifier.manifest = msgspec.structs.replace(
        classifier.manifest, input=msgspec.structs.replace(classifier.manifest.input, colour="rgb")
    )
    assert warnings(classifier) == []
    classifier.manifest = msgspec.structs.replace(
        classifier.manifest, input=msgspec.structs.replace(classifier.manifest.input, colour="bgr")
    )
    *found, advice = warnings(classifier)
    assert found
    assert advice.startswith('with "colour": "rgb" in ')
    assert 'instead of "colour": "bgr"' in advice
    assert "give --colour rgb to" in advice


def test_own_useless_model_is_logged_at_the_start_and_a_shipped_one_is_not_tried(wrong, caplog):
    caplog.set_level(logging.WARNING)
    warn_of_useless_model(Classifier(find_model("normal")), EventsConfig(unknown_below=0.9999))
    warn_of_useless_model(wrong(labels=GERMAN), EventsConfig())
    assert caplog.messages == []
    classifier = wrong("small", range=[0, 255])
    warn_of_useless_model(classifier, EventsConfig())
    assert caplog.messages
    assert all(message.startswith(f"{classifier.path}: the model ") for message in caplog.messages)
    assert all(message.endswith("(`emotion-edge doctor` looks for the reason)") for message in caplog.messages)
