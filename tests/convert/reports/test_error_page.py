import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.evaluation.evaluate import faces_of
from convert.evaluation.results import Measurement
from convert.reports.error_page import check_private, most_confident_errors
from support.footage import ROOT


def test_wrong_predictions_are_sorted_by_confidence(face_data):
    split = load_split(face_data, "PublicTest").take(np.arange(4))
    rows = np.full((4, 7), 0.01, dtype=np.float32)
    rows[np.arange(4), split.leader] = 0.9
    for row, confidence in ((1, 0.91), (3, 0.95)):
        rows[row, (split.leader[row] + 1) % 7] = confidence
    measurement = Measurement(None, faces_of(split), rows)
    assert most_confident_errors(measurement).tolist() == [3, 1]
    assert most_confident_errors(measurement, 1).tolist() == [3]


def test_folder_that_git_does_not_ignore_is_refused(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    check_private(tmp_path / "anywhere")
    tree = tmp_path / "tree"
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    shutil.copy(ROOT / ".gitignore", tree)
    check_private(tree / "runs" / "normal" / "report")
    for folder in (tree / "models", tree / "new" / "report", tree):
        with pytest.raises(ConvertError, match="is not ignored"):
            check_private(folder)


def test_work_tree_is_refused_where_git_is_missing(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr("shutil.which", {}.get)
    with pytest.raises(ConvertError, match="git is not installed"):
        check_private(tmp_path / "report")
