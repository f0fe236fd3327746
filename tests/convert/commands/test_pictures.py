"""The command `evaluate --pictures` on small models and synthetic pictures: counts, figures, report, bad input."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.cli import main
from convert.data.fer2013 import LABELS, load_split
from convert.data.labelled_folder import find_pictures
from convert.evaluation.evaluated_model import ModelOptions, open_model
from convert.evaluation.picture_evaluation import evaluate_pictures
from convert.evaluation.results import EvaluationOptions
from convert.progress import Heartbeat
from convert.runtimes.inputs import to_network
from convert.runtimes.tflite import Int8Model
from edge.vision.classification.manifest import load_manifest
from support.footage import ROOT
from support.oriented_pictures import encode
from support.small_models import linear_model

FOLDERS = ("anger", "disgust", "fear", "happiness", "neutral", "sad", "Surprise")
SUFFIXES = ("png", "bmp", "pgm", "tiff", "png", "png", "png")


def run(*arguments):
    """Runs evaluate; returns its text."""
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout.write", printed.append)
        assert main(["evaluate", *map(str, arguments)]) == 0
    return "".join(printed)


def refused(capfd, *arguments):
    """Runs evaluate; returns the one sentence with which it fails."""
    assert main(["evaluate", *map(str, arguments)]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def lone_model(evaluated_model, tmp_path_factory):
    """The model with its manifest and without its float model, as in an installed package."""
    folder = tmp_path_factory.mktemp("lone")
    for path in (evaluated_model, evaluated_model.with_suffix(".json")):
        shutil.copy(path, folder)
    return folder / evaluated_model.name


@pytest.fixture(scope="module")
def crops(face_data, lone_model, tmp_path_factory):
    """Synthetic faces in folders with other names than the labels, in several formats, every second one correct.

    Gives the folder, the labels, and what the model predicts in FER2013's framing.
    """
    folder, split = tmp_path_factory.mktemp("crops"), load_split(face_data, "PublicTest")
    inputs = np.stack([to_network(image, load_manifest(lone_model).input) for image in split.images])
    predicted = Int8Model(lone_model.read_bytes()).predict(inputs).argmax(axis=1)
    labels = np.where(np.arange(64) % 2, predicted, split.leader)
    for row, (image, label) in enumerate(zip(split.images, labels, strict=True)):
        path = folder / FOLDERS[label] / f"{row}.{SUFFIXES[label]}"
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), image)
    (folder / "sad" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "glad").mkdir()
    return folder, labels, predicted


@pytest.fixture(scope="module")
def measured(lone_model, crops, tmp_path_factory):
    """The results for the crops: (report folder, text, JSON)."""
    folder = tmp_path_factory.mktemp("out") / "report"
    options = ("--crops", "--quick", "--report", folder, "--json", folder.parent / "figures.json")
    text = run(lone_model, "--pictures", crops[0], *options)
    return folder, text, json.loads((folder.parent / "figures.json").read_text(encoding="utf-8"))


def test_crops_of_every_format_are_classified_as_the_same_images_of_fer2013(measured, crops):
    figures, (_, labels, predicted) = measured[2], crops
    expected = np.zeros((7, 7), dtype=int)
    np.add.at(expected, (labels, predicted), 1)
    (result,) = figures["results"]
    assert (result["dataset"], figures["images"], figures["labels"]) == ("all pictures", 64, list(LABELS))
    # The device's table of input levels rounds halves otherwise than `Int8Model`: a face near a tie may differ.
    assert np.abs(np.array(result["scores"]["confusion"]) - expected).sum() <= 2
    assert result["scores"]["accuracy"] == np.trace(result["scores"]["confusion"]) / 64 >= 31 / 64
    assert len(set(predicted)) > 1


def test_what_was_left_out_is_named_and_counted(measured, crops):
    _, text, figures = measured
    pictures = figures["pictures"]
    assert (pictures["pictures"], pictures["crops"], len(pictures["unreadable"])) == (65, True, 1)
    assert pictures["folders"] == dict(
        zip(
            sorted(["glad", *FOLDERS], key=str.casefold),
            ["angry", "disgust", "fear", None, "happy", "neutral", "sad", "surprise"],
            strict=True,
        )
    )
    assert "64 of 65 pictures were read" in text
    assert re.search(r"The image \S+/sad/broken\.jpg .*; it is left out\n", text)
    assert f"folder {crops[0] / 'glad'} contains no picture" in text
    few = ", ".join(f"{LABELS[label]} ({sum(crops[1] == label)})" for label in range(7) if sum(crops[1] == label) < 20)
    assert f"warning: fewer than 20 pictures of {few}: the figures of these labels say little" in text


def test_form_that_is_not_measured_says_why_and_what_measures_it(measured, lone_model):
    folder, text, figures = measured
    sentence = f"there is no float model beside {lone_model} (tiny.keras); give the Keras model that it was converted"
    assert f"float32 (Keras, TFLite): {sentence}" in text
    assert "tflite-runtime int8: left out by --quick; run it without --quick" in text
    assert [each["what"] for each in figures["not_measured"]] == [
        "float32 (Keras, TFLite)",
        "tflite-runtime int8",
        "robustness",
    ]
    assert figures["absent"][0].startswith(f"float32 (Keras, TFLite): {sentence}")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert f'colspan="6">not measured: {sentence}' in page
    assert "Not measured: it is measured on the faces of FER2013; run it without --pictures." in page


def test_report_has_the_pictures_and_its_errors_name_them(measured):
    folder, _, figures = measured
    page, errors = ((folder / name).read_text(encoding="utf-8") for name in ("index.html", "errors.html"))
    assert "<h2>Pictures</h2>" in page
    assert "<img" not in page
    wrong = round(64 * (1 - figures["results"][0]["scores"]["accuracy"]))
    assert errors.count("<img") == len(re.findall(r"folder: \w+<br>\w+/\d+\.\w+<", errors)) == wrong
    assert "Do not publish or commit it unless they agreed" in errors
    assert "FER" not in re.sub("FER2013", "", page)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Happy: an upright face, one that EXIF turns, and two in one picture. Sad: no face."""
    folder = tmp_path_factory.mktemp("photos")
    actor = cv2.imread(str(ROOT / "edge" / "assets" / "actor.png"), cv2.IMREAD_GRAYSCALE)
    face = cv2.resize(np.split(actor, len(LABELS), axis=1)[3], (140, 140))
    empty = np.full((240, 420), 128, np.uint8)
    one, two = empty.copy(), empty.copy()
    one[50:190, 40:180] = two[50:190, 40:180] = face
    two[70:170, 270:370] = cv2.resize(face, (100, 100))
    happy, sad = folder / "happy", folder / "sad"
    happy.mkdir()
    sad.mkdir()
    (happy / "one.jpg").write_bytes(encode(one, 1, "jpeg"))
    (happy / "turned.jpg").write_bytes(encode(one, 6, "jpeg"))
    (happy / "two.png").write_bytes(encode(two, 1, "png"))
    (sad / "none.png").write_bytes(encode(empty, 1, "png"))
    return folder


def test_through_the_detector_pictures_without_a_face_and_with_several_are_counted(lone_model, photos, tmp_path):
    text = run(lone_model, "--pictures", photos, "--quick", "--json", tmp_path / "out.json")
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (figures["pictures"]["no_face"], figures["pictures"]["several_faces"], figures["images"]) == (1, 1, 3)
    of_labels = {each.pop("label"): each for each in figures["pictures"]["labels"]}
    assert of_labels["happy"] == {"pictures": 3, "no_face": 0, "several_faces": 1}
    assert of_labels["sad"] == {"pictures": 1, "no_face": 1, "several_faces": 0}
    assert "a face was found in 3 (75.00 %), no face in 1, several faces in 1, of which the largest counts" in text
    found, every = figures["results"]
    assert (found["dataset"], every["dataset"]) == ("found faces", "all pictures")
    assert (found["scores"]["images"], every["scores"]["images"]) == (3, 4)
    assert every["scores"]["accuracy"] == 3 / 4 * found["scores"]["accuracy"]
    assert every["scores"]["missed"][LABELS.index("sad")] == 1
    # The same face three times, the second turned by EXIF: all get one label.
    assert max(found["scores"]["confusion"][LABELS.index("happy")]) == 3


def test_keras_model_of_other_labels_is_measured(photos, tmp_path, capfd):
    model = linear_model(tmp_path / "three.keras", 3)
    options = ("--labels", "glad,sad,other", "--pictures", photos, "--quick", "--json", tmp_path / "out.json")
    text = run(model, *options, "--label-map", "happy=glad", "--range", "0", "1")
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert figures["labels"] == ["glad", "sad", "other"]
    assert figures["trust"]["runtime"].startswith("keras")
    assert [len(result["scores"]["recalls"]) for result in figures["results"]] == [3, 3]
    assert f"int8: {model} is a Keras model; convert it with emotion-convert quantize" in text
    assert "happy as glad" in text
    error = refused(capfd, model, *options)
    assert "has the folder 'happy', which is no label of model three (glad, sad, other)" in error
    assert "3 outputs and no manifest" in refused(capfd, model, "--pictures", photos)
    assert "3 outputs, but --labels names 2" in refused(capfd, model, "--pictures", photos, "--labels", "a,b")


def test_pictures_that_cannot_be_measured_are_one_sentence(lone_model, photos, tmp_path, capfd):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "1.jpg").touch()
    where = (lone_model, "--pictures", tmp_path)
    assert "none of the 1 pictures in" in refused(capfd, *where)
    shutil.copy(photos / "sad" / "none.png", tmp_path / "sad")
    assert "no face was found in any of the 1 pictures" in refused(capfd, *where)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--pictures", "x", "--split", "PublicTest"), "--split belongs to FER2013"),
        (("--pictures", "x", "--data", "y"), "--data belongs to FER2013"),
        (("--pictures", "x", "--labels", "a,b"), "--labels describes a Keras model, but"),
        (("--pictures", "x", "--label-map", "a"), "--label-map must be FOLDER=LABEL"),
        (("--pictures", "x", "--crop-margin", "3"), "--crop-margin must be from -0.4 to 2"),
        (("--pictures", "x", "--unknown-below", "40"), "--unknown-below must be from 0 to 1, not 40"),
        (("--pictures", "x"), "--pictures x cannot be read: No such file or directory"),
        (("--crops",), "--crops needs --pictures DIR"),
        (("--label-map", "a=b"), "--label-map needs --pictures DIR"),
        (("--crop-margin", "0"), "--crop-margin needs --pictures DIR"),
        (("--unknown-below", "0"), "--unknown-below needs --pictures DIR"),
        (("--data", "nowhere"), "or measure on pictures of your own with --pictures DIR"),
    ],
)
def test_options_that_contradict_each_other_are_one_sentence(lone_model, capfd, options, sentence):
    assert sentence in refused(capfd, lone_model, *options)


def test_keras_model_without_pictures_names_the_option(capfd):
    assert "mine.keras is a Keras model, which is measured with --pictures DIR only" in refused(capfd, "mine.keras")


class Announced(Heartbeat):
    """Records what a heartbeat would print."""

    def __init__(self):
        super().__init__(print)
        self.said = []

    def status(self, what):
        self.said.append(what if isinstance(what, str) else what())


def test_every_step_that_can_take_long_is_announced(lone_model, photos):
    beat = Announced()
    model = open_model(str(lone_model), ModelOptions(), beat.line)
    options = EvaluationOptions(quick=True, sample=2)
    evaluate_pictures(model, find_pictures(photos, LABELS, "tiny", {}), options, beat, crops=False)
    steps = ("finding faces: 0 s so far", "running faces on ai-edge-litert", "computing the figures")
    assert [said.startswith(step) for said, step in zip(beat.said, steps, strict=True)] == [True] * 3
