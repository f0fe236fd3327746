import re

import numpy as np
import pytest

from convert.evaluation.results import ALL_PICTURES, FOUND_FACES, RuntimeResult
from convert.metrics import score
from convert.reports.confusion import confusion_lines, confusion_table, label_lines, label_table

LABELS = ("angry", "happy", "sad", "none yet")


def result_of(confusion, missed=None, dataset=FOUND_FACES):
    confusion = np.array(confusion)
    rows, columns = (each.ravel() for each in np.indices(confusion.shape))
    labels, predicted = np.repeat(rows, confusion.ravel()), np.repeat(columns, confusion.ravel())
    probabilities = np.eye(len(confusion), dtype=np.float32)[predicted]
    return RuntimeResult(dataset, "int8", score(labels, probabilities, missed))


@pytest.fixture(scope="module")
def uneven():
    """One picture of angry, a thousand of happy, thirty of sad of which ten are taken for happy, none of the last."""
    return result_of([[1, 0, 0, 0], [0, 1000, 0, 0], [0, 10, 20, 0], [0, 0, 0, 0]])


def rows_of(html):
    return dict(re.findall(r'<th scope="row">([^<]+)(.*?)</tr>', html.split("<tbody>")[1], re.DOTALL))


def test_one_picture_of_a_rare_label_is_painted_paler_than_a_thousand(uneven):
    rows = rows_of(confusion_table(uneven, LABELS))
    tints = {label: [float(value) for value in re.findall(r"/ ([\d.]+)\)", row)] for label, row in rows.items()}
    assert tints["angry"][0] < 0.15
    assert tints["happy"][0] > 0.65
    assert 0.05 < tints["sad"][0] < tints["sad"][1] < 0.4
    assert "rgb(var(--wrong)" in rows["sad"]
    assert "rgb(var(--heat)" in rows["sad"]
    assert "1 (few)" in rows["angry"]
    assert "<small>67 %</small>" in rows["sad"]


def test_label_without_a_picture_says_so(uneven):
    assert 'colspan="4">no face<' in rows_of(confusion_table(uneven, LABELS))["none yet"]
    pictures = RuntimeResult(ALL_PICTURES, uneven.runtime, uneven.scores)
    assert 'colspan="4">no picture<' in rows_of(confusion_table(pictures, LABELS))["none yet"]
    assert '<tr class="few"><th scope="row">none yet</th><td>none</td><td>-</td>' in label_table(pictures, LABELS)
    assert label_lines(pictures, LABELS)[-1].split() == ["none", "yet", "none", "-", "-", "-", "-", "-"]


def test_every_figure_of_a_label_has_its_interval(uneven):
    angry = label_lines(uneven, LABELS)[1]
    assert " ".join(angry.split()) == "angry 1 (few) 100.0 % 20.7 - 100.0 100.0 % 20.7 - 100.0 100.0 %"
    assert "<td>20.7 - 100.0</td>" in label_table(uneven, LABELS)


def test_pictures_without_a_face_have_a_column():
    result = result_of([[3, 1], [0, 4]], np.array([2, 0]), ALL_PICTURES)
    html, lines = confusion_table(result, ("a", "b")), confusion_lines(result.scores, ("a", "b"))
    assert "<span>no face</span>" in html
    assert "<td>2<small>33 %</small></td>" in rows_of(html)["a"]
    assert lines[0].endswith("no face")
    assert [line.split() for line in lines[1:]] == [["a", "3", "1", "2"], ["b", "0", "4", "0"]]


def test_columns_of_long_or_many_labels_are_numbered_on_the_terminal():
    labels = ("contempt or disdain", "<b>")
    result = result_of([[3, 1], [0, 4]])
    head, first, _ = confusion_lines(result.scores, labels)
    assert head.split() == ["1", "2"]
    assert first.split() == ["1", "contempt", "or", "disdain", "3", "1"]
    assert "<b>" not in confusion_table(result, labels)
    assert "long" in confusion_table(result, labels)
    assert "long" not in confusion_table(result, ("a", "b"))
