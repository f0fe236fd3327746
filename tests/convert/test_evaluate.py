"""The evaluation of a tiny model on made-up data, and its report."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")

import keras

from convert.cli import main
from convert.data.fer2013 import LABELS, clean_split, load_split
from convert.errors import ConvertError
from convert.evaluation.evaluate import compare
from convert.evaluation.results import Measurement
from convert.quantization.quantize import quantize
from convert.release.export import Description, write_model
from convert.reports.error_page import most_confident_errors
from convert.reports.html import table
from convert.reports.private import check_private
from convert.runtimes.keras_model import load_float_model
from convert.training.history import read_history, stage_starts
from edge.manifest import ModelInput
from footage import ROOT

VOID = {"meta", "img", "br"}
EPOCHS = [(32, 1), (32, 2), (48, 1)]


@pytest.fixture(scope="module")
def model(face_data, tmp_path_factory):
    """A network that sees hardly more than brightness in places: fast, and wrong often enough."""
    folder = tmp_path_factory.mktemp("tiny")
    keras.utils.set_random_seed(4)
    pick = keras.initializers.RandomNormal(stddev=0.6)
    layers = [
        keras.Input((48, 48, 1)),
        keras.layers.AveragePooling2D(8),
        keras.layers.Flatten(),
        keras.layers.Dense(7, activation="softmax", kernel_initializer=pick),
    ]
    keras.Sequential(layers).save(folder / "tiny.keras")
    spec = ModelInput(width=48, height=48, colour="gray", value_range=(-1.0, 1.0))
    pictures = list(load_split(face_data, "Training").images[:40])
    content = quantize(load_float_model(folder / "tiny.keras"), spec, pictures)
    about = Description("tiny", LABELS, 0.0, 1.0, 0.4, "none", "tests")
    return write_model(content, spec, about, folder)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    lines = [
        {"side_px": side, "epoch": epoch, "loss": 2 / at, "public_test": 0.1 * at}
        for at, (side, epoch) in enumerate(EPOCHS, 1)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def report(model, face_data, run_folder, tmp_path_factory):
    """What one full evaluation writes: (folder, what it printed)."""
    folder = tmp_path_factory.mktemp("out") / "report"
    command = ["evaluate", str(model), "--data", str(face_data), "--split", "PublicTest"]
    command += ["--report", str(folder), "--run", str(run_folder), "--json", str(folder.parent / "figures.json")]
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("sys.stdout.write", said.append)
        assert main(command) == 0
    return folder, "".join(said)


@pytest.fixture(scope="module")
def figures(report):
    return json.loads((report[0] / "figures.json").read_text(encoding="utf-8"))


def test_the_files_are_there_and_both_forms_of_json_are_one(report):
    folder, _ = report
    assert sorted(path.name for path in folder.iterdir()) == ["errors.html", "figures.json", "index.html"]
    assert (folder / "figures.json").read_bytes() == (folder.parent / "figures.json").read_bytes()


def test_every_form_is_judged_by_both_labels(figures, face_data):
    assert figures["labels"] == list(LABELS)
    assert (figures["split"], figures["whole"], figures["dropped"], figures["images"]) == ("PublicTest", 64, 0, 64)
    clean, _ = clean_split(face_data, "PublicTest")
    assert figures["images"] == len(clean)
    runtimes = [result["runtime"].split() for result in figures["results"] if result["dataset"] == "FER+ majority"]
    assert [(name, dtype) for name, _, dtype in runtimes][:3] == [
        ("keras", "float32"),
        ("ai-edge-litert", "float32"),
        ("ai-edge-litert", "int8"),
    ]
    # The fourth is tflite-runtime, or it is said why there is none.
    assert len(runtimes) + len(figures["absent"]) == 4
    assert all("tflite-runtime" in reason for reason in figures["absent"])
    for result in figures["results"]:
        assert np.sum(result["scores"]["confusion"]) == result["scores"]["images"] == 64
        assert len(result["scores"]["precisions"]) == len(result["scores"]["f1"]) == 7


def test_every_two_forms_are_compared(figures):
    names = [result["runtime"] for result in figures["results"][::2]]
    pairs = figures["pairs"]
    assert len(pairs) == len(names) * (len(names) - 1) // 2
    accuracy = {result["runtime"]: result["scores"]["accuracy"] for result in figures["results"][::2]}
    for pair in pairs:
        assert pair["difference"] == pytest.approx(accuracy[pair["second"]] - accuracy[pair["first"]])
    assert pairs[0]["agreement"] == 1.0


def test_the_other_parts_are_measured_on_the_same_images(figures):
    trust = figures["trust"]
    assert sum(part["images"] for part in trust["bins"]) == trust["images"] == 64
    assert [share for share, _ in trust["curve"]][:3] == [1.0, 0.95, 0.9]
    int8 = next(result for result in figures["results"] if result["runtime"] == trust["runtime"])
    assert trust["curve"][0][1] == pytest.approx(int8["scores"]["accuracy"])
    nothing = figures["robustness"][0]
    assert nothing["condition"]["kind"] == "none"
    assert {one["images"] for one in figures["robustness"]} == {64}
    assert figures["detected"]["faces"] == 64
    for part in (*figures["robustness"], figures["detected"]):
        assert (part["split"], part["dataset"], part["runtime"]) == ("PublicTest", "FER+ majority", trust["runtime"])
    assert figures["circumstances"]["measured_at"].endswith("+00:00")
    assert [name for name, _ in figures["circumstances"]["files"]] == ["fer2013.npz", "tiny.keras"]


def test_the_terminal_says_what_was_found_and_warns(report):
    _, said = report
    assert "PublicTest: 64 images (0 left out" in said
    assert "through the real detector" in said
    assert "mean over corruptions" in said
    assert "precision" in said
    assert "errors.html. This page shows photographs of people" in said
    assert "Do not publish it" in said


class Page(HTMLParser):
    """Collects what a page would fetch, and checks that elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.ids, self.counts, self.roles, self._open = [], [], {}, [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        values = dict(attrs)
        self.fetched += [values[key] for key in ("src", "href", "xlink:href", "data", "srcset") if key in values]
        self.fetched += [address for value in values.values() for address in re.findall(r"url\(([^)]*)\)", value or "")]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "svg":
            self.roles.append((values.get("role"), bool(values.get("aria-label"))))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


@pytest.mark.parametrize("name", ["index.html", "errors.html"])
def test_a_page_is_one_file_for_light_and_dark(report, name):
    text = (report[0] / name).read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & set(page.counts)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.fetched)
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert len(page.ids) == len(set(page.ids))
    targets = {address[1:] for address in page.fetched if address.startswith("#")}
    assert targets <= set(page.ids)


def test_the_report_shows_plots_and_tables_but_no_face(report, figures):
    text = (report[0] / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.roles == [("img", True)] * 4  # reliability, coverage, robustness, training
    assert "img" not in page.counts
    assert page.counts["caption"] == page.counts["table"] >= 8
    assert 'scope="row"' in text
    assert figures["sha256"] in text
    assert figures["circumstances"]["measured_at"] in text
    assert "3 epochs" in text
    assert not re.search(r"#0\d0\d0\d", text), "a stand-in for a colour was left"


def test_errors_are_shown_surest_first_with_a_warning(report, figures):
    text = (report[0] / "errors.html").read_text(encoding="utf-8")
    assert "Do not publish it" in text
    int8 = next(result for result in figures["results"] if result["runtime"] == figures["trust"]["runtime"])
    wrong = round(64 * (1 - int8["scores"]["accuracy"]))
    assert Page(text).counts["img"] == wrong > 5
    confidences = [int(value) for value in re.findall(r"<strong>\w+ (\d+) %</strong>", text)]
    assert confidences == sorted(confidences, reverse=True)


def test_errors_by_hand(face_data):
    split = load_split(face_data, "PublicTest").take(np.arange(4))
    rows = np.full((4, 7), 0.01, dtype=np.float32)
    rows[np.arange(4), split.leader] = 0.9
    for place, confidence in ((1, 0.91), (3, 0.95)):
        rows[place, (split.leader[place] + 1) % 7] = confidence
    measurement = Measurement(None, split, rows)
    assert most_confident_errors(measurement).tolist() == [3, 1]
    assert most_confident_errors(measurement, 1).tolist() == [3]


def test_pairs_by_hand(face_data):
    split = load_split(face_data, "PublicTest").take(np.arange(4))
    right = np.eye(7, dtype=np.float32)[split.leader]
    other = right.copy()
    other[:2] = np.roll(right[:2], 1, axis=1)
    (pair,) = compare(split, [("a", right), ("b", other)])
    assert (pair.agreement, pair.difference) == (0.5, -0.5)
    assert (pair.only_first_right, pair.only_second_right, pair.judged) == (2, 0, 4)


def test_a_sample_is_said_to_be_one(model, face_data, capfd):
    command = ["evaluate", str(model), "--data", str(face_data), "--quick", "--sample", "20"]
    assert main(command) == 0
    first = capfd.readouterr().out
    assert "PrivateTest: 20 images (5 left out" in first
    assert "left out by --quick" in first
    assert main(command) == 0
    assert capfd.readouterr().out == first


def test_what_cannot_be_written_or_read_is_said_before_measuring(model, tmp_path, capfd):
    def refused(*options):
        assert main(["evaluate", str(model), "--data", str(tmp_path / "none"), *options]) == 1
        return capfd.readouterr().err

    out = ("--report", str(tmp_path / "out"))
    assert "give --report DIR too" in refused("--run", str(tmp_path))
    assert "is not the history of a training run" in refused("--run", str(tmp_path), *out)
    (tmp_path / "history.jsonl").touch()
    assert "holds no epoch yet" in refused("--run", str(tmp_path), *out)
    assert "cannot be used" in refused("--json", str(tmp_path / "no" / "file.json"))


def test_a_stage_begins_where_epochs_count_anew(run_folder):
    epochs = read_history(run_folder)
    assert [(epoch.side_px, epoch.epoch) for epoch in epochs] == EPOCHS
    assert stage_starts(epochs) == [2]


def test_text_in_a_table_is_text():
    assert "<script>" not in table("<script>", ["<script>"], [["<script>", "<script>"]], [[1.0]])


def test_photographs_are_kept_out_of_a_work_tree(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    check_private(tmp_path / "anywhere")
    tree = tmp_path / "tree"
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    shutil.copy(ROOT / ".gitignore", tree)
    check_private(tree / "runs" / "normal" / "report")
    for folder in (tree / "models", tree / "new" / "report", tree):
        with pytest.raises(ConvertError, match="is not ignored"):
            check_private(folder)


def test_without_git_a_work_tree_is_not_trusted(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr("shutil.which", {}.get)
    with pytest.raises(ConvertError, match="there is no git to ask"):
        check_private(tmp_path / "report")
