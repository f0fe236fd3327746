"""The command `evaluate` on a tiny model and synthetic faces: its text, JSON and report."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.cli import main
from convert.data.fer2013 import LABELS, clean_split
from support.run_folder import write_history

SAMPLE = 7
"""Images of the full evaluation, of 64: the detector searches each of them in nine positions."""
VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_history(folder)
    return folder


@pytest.fixture(scope="module")
def report(evaluated_model, face_data, run_folder, tmp_path_factory):
    """The report of one full evaluation: (folder, printed text)."""
    folder = tmp_path_factory.mktemp("out") / "report"
    command = [
        "evaluate",
        str(evaluated_model),
        "--data",
        str(face_data),
        "--split",
        "PublicTest",
        "--sample",
        str(SAMPLE),
    ]
    command += ["--report", str(folder), "--run", str(run_folder), "--json", str(folder.parent / "figures.json")]
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("sys.stdout.write", printed.append)
        assert main(command) == 0
    return folder, "".join(printed)


@pytest.fixture(scope="module")
def figures(report):
    return json.loads((report[0] / "figures.json").read_text(encoding="utf-8"))


def test_report_has_three_files_and_its_json_equals_that_of_the_option(report):
    folder, _ = report
    assert sorted(path.name for path in folder.iterdir()) == ["errors.html", "figures.json", "index.html"]
    assert (folder / "figures.json").read_bytes() == (folder.parent / "figures.json").read_bytes()


def test_every_form_is_scored_against_both_labels(figures, face_data):
    assert figures["labels"] == list(LABELS)
    assert (figures["split"], figures["whole"], figures["dropped"], figures["images"]) == ("PublicTest", 64, 0, SAMPLE)
    clean, _ = clean_split(face_data, "PublicTest")
    assert figures["whole"] == len(clean)
    runtimes = [result["runtime"].split() for result in figures["results"] if result["dataset"] == "FER+ majority"]
    assert [(name, dtype) for name, _, dtype in runtimes][:3] == [
        ("keras", "float32"),
        ("ai-edge-litert", "float32"),
        ("ai-edge-litert", "int8"),
    ]
    # The fourth is tflite-runtime, or the reason of its absence is listed.
    assert len(runtimes) + len(figures["absent"]) == 4
    assert all("tflite-runtime" in reason for reason in figures["absent"])
    for result in figures["results"]:
        assert np.sum(result["scores"]["confusion"]) == result["scores"]["images"] == SAMPLE
        assert len(result["scores"]["precisions"]) == len(result["scores"]["f1"]) == 7


def test_every_two_forms_are_compared(figures):
    names = [result["runtime"] for result in figures["results"][::2]]
    pairs = figures["pairs"]
    assert len(pairs) == len(names) * (len(names) - 1) // 2
    accuracy = {result["runtime"]: result["scores"]["accuracy"] for result in figures["results"][::2]}
    for pair in pairs:
        assert pair["difference"] == pytest.approx(accuracy[pair["second"]] - accuracy[pair["first"]])
    assert pairs[0]["agreement"] == 1.0


def test_all_parts_are_measured_on_the_same_images(figures):
    trust = figures["trust"]
    assert sum(part["images"] for part in trust["bins"]) == trust["images"] == SAMPLE
    assert [share for share, _ in trust["curve"]][:3] == [1.0, 0.95, 0.9]
    int8 = next(result for result in figures["results"] if result["runtime"] == trust["runtime"])
    assert trust["curve"][0][1] == pytest.approx(int8["scores"]["accuracy"])
    unchanged = figures["robustness"][0]
    assert unchanged["condition"]["kind"] == "none"
    assert {one["images"] for one in figures["robustness"]} == {SAMPLE}
    assert figures["detected"]["faces"] == SAMPLE
    for part in (*figures["robustness"], figures["detected"]):
        assert (part["split"], part["dataset"], part["runtime"]) == ("PublicTest", "FER+ majority", trust["runtime"])
    assert figures["circumstances"]["measured_at"].endswith("+00:00")
    assert [name for name, _ in figures["circumstances"]["files"]] == ["fer2013.npz", "tiny.keras"]


def test_text_has_all_parts_and_the_warning(report):
    _, printed = report
    assert f"PublicTest: {SAMPLE} images (0 left out" in printed
    assert "through the real detector" in printed
    assert "mean over corruptions" in printed
    assert "precision" in printed
    assert "errors.html. This page shows photographs of people" in printed
    assert "Do not publish it" in printed


class Page(HTMLParser):
    """Collects the addresses that a page would fetch, and checks that elements close in order."""

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
def test_page_is_one_file_for_light_and_dark(report, name):
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


def test_index_has_plots_and_tables_but_no_face(report, figures):
    text = (report[0] / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.roles == [("img", True)] * 4  # reliability_bins, coverage, robustness, training
    assert "img" not in page.counts
    assert page.counts["caption"] == page.counts["table"] >= 8
    assert 'scope="row"' in text
    assert figures["sha256"] in text
    assert figures["circumstances"]["measured_at"] in text
    assert "3 epochs" in text
    assert not re.search(r"#0\d0\d0\d", text), "a placeholder for a colour was left"


def test_errors_are_sorted_by_confidence_below_a_warning(report, figures):
    text = (report[0] / "errors.html").read_text(encoding="utf-8")
    assert "Do not publish it" in text
    int8 = next(result for result in figures["results"] if result["runtime"] == figures["trust"]["runtime"])
    wrong = round(SAMPLE * (1 - int8["scores"]["accuracy"]))
    assert Page(text).counts["img"] == wrong > 5
    confidences = [int(value) for value in re.findall(r"<strong>\w+ (\d+) %</strong>", text)]
    assert confidences == sorted(confidences, reverse=True)


def test_without_a_sample_the_whole_split_is_measured_and_beside_privatetest_publictest(
    evaluated_model, face_data, tmp_path, capfd
):
    command = ["evaluate", str(evaluated_model), "--data", str(face_data), "--quick"]
    assert main([*command, "--split", "PublicTest", "--json", str(tmp_path / "public.json")]) == 0
    assert "PublicTest: 64 images (0 left out" in capfd.readouterr().out
    public = json.loads((tmp_path / "public.json").read_text(encoding="utf-8"))
    assert public["public_test"] == []
    assert main([*command, "--report", str(tmp_path / "report")]) == 0
    out = capfd.readouterr().out
    assert "PrivateTest: 59 images (5 left out" in out
    (beside,) = json.loads((tmp_path / "report" / "figures.json").read_text(encoding="utf-8"))["public_test"]
    assert beside["split"] == "PublicTest"
    same = [
        each for each in public["results"] if (each["dataset"], each["runtime"]) == ("FER+ majority", beside["runtime"])
    ]
    assert [each["scores"] for each in same] == [beside["scores"]]
    share = f"{100 * beside['scores']['accuracy']:.2f} % of 64 correct"
    assert share in out[out.index("PublicTest, on which") :]
    assert share in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_sample_is_stated_and_deterministic(evaluated_model, face_data, capfd):
    command = ["evaluate", str(evaluated_model), "--data", str(face_data), "--quick", "--sample", "20"]
    assert main(command) == 0
    first = capfd.readouterr().out
    assert "PrivateTest: 20 images (5 left out" in first
    assert "left out by --quick" in first
    assert main(command) == 0
    assert capfd.readouterr().out == first


def test_unusable_outputs_are_reported_before_measuring(evaluated_model, tmp_path, capfd):
    def refused(*options):
        assert main(["evaluate", str(evaluated_model), "--data", str(tmp_path / "none"), *options]) == 1
        return capfd.readouterr().err

    out = ("--report", str(tmp_path / "out"))
    assert "give --report DIR too" in refused("--run", str(tmp_path))
    assert "is not the history of a training run" in refused("--run", str(tmp_path), *out)
    (tmp_path / "history.jsonl").touch()
    assert "holds no epoch yet" in refused("--run", str(tmp_path), *out)
    assert "cannot be used" in refused("--json", str(tmp_path / "no" / "file.json"))
