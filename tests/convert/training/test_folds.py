import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convert.data.fer2013 import load_split, training_rows
from convert.errors import ConvertError
from convert.evaluation.cross_validation import pool_folds
from convert.training.folds import MAX_FOLDS, Fold, HeldOut, held_out_faces, parse_fold, read_held_out
from convert.training.preparation import prepare
from support.tiny_run import TINY


@given(st.integers(2, MAX_FOLDS), st.integers(0, 2**32 - 1))
def test_each_picture_is_in_one_fold_and_its_copies_in_the_same(count, seed):
    images = np.random.default_rng(seed).integers(0, 255, (12, 4, 4), dtype=np.uint8)
    images[7] = images[2]
    held = np.array([Fold(number, count).holds(images) for number in range(1, count + 1)])
    np.testing.assert_array_equal(held.sum(axis=0), 1)
    np.testing.assert_array_equal(held[:, 7], held[:, 2])


@pytest.mark.parametrize("text", ["", "0/5", "6/5", "1/1", "1/21", "1", "a/b", "1/5/5", "-1/5"])
def test_fold_that_is_none_is_refused_with_what_would_be_right(text):
    with pytest.raises(ConvertError, match=r"--fold .* must be .* from 1/2 to 20/20"):
        parse_fold(text)


def test_fold_is_left_out_of_training_and_counts_where_a_label_leads(weighted_data, tmp_path):
    fold = Fold(2, 3)
    prepared = prepare(fold.named(TINY), weighted_data, tmp_path / "run", fold=fold)
    everything = load_split(weighted_data, "Training")
    assert not fold.holds(prepared.training.images).any()
    assert len(prepared.training) == (~fold.holds(training_rows(everything).images)).sum()
    assert fold.holds(prepared.held_out.images).all()
    np.testing.assert_array_equal(prepared.held_out.rows, held_out_faces(everything, fold).rows)
    with pytest.raises(ConvertError, match="counts by the votes of FER\\+"):
        prepare(replace(TINY, labels="fer2013"), weighted_data, tmp_path / "run", fold=fold)


@pytest.fixture
def folds(face_data, tmp_path):
    """The folders of two runs, each right on all faces of its fold but the first."""
    training = load_split(face_data, "Training")
    folders = []
    for number in (1, 2):
        fold, folder = Fold(number, 2), tmp_path / f"fold-{number}"
        fold.named(TINY).save(folder / "recipe.json")
        faces = held_out_faces(training, fold)
        probabilities = np.eye(7, dtype=np.float32)[faces.leader]
        probabilities[0] = np.roll(probabilities[0], 1)
        HeldOut(fold, faces.rows, faces.leader, probabilities).save(folder)
        folders.append(folder)
    return folders


def test_folds_are_pooled_to_every_face_once(folds, face_data):
    training = load_split(face_data, "Training")
    scores = pool_folds(folds[::-1]).scores
    assert scores.images == (training.leader >= 0).sum()
    assert scores.accuracy == pytest.approx(1 - 2 / scores.images)
    low, high = scores.macro_recall_interval
    assert low < scores.macro_recall < high


def test_evaluate_prints_the_pooled_figures_of_each_label(folds, tmp_path, capsys):
    pytest.importorskip("keras", reason="the training half needs the convert extra")
    from convert.cli import main  # noqa: PLC0415

    assert main(["evaluate", "--held-out", *map(str, folds), "--json", str(tmp_path / "pooled.json")]) == 0
    out = capsys.readouterr().out
    assert "FER+ majority, float32, 2 folds: 98.96 % of 192 correct" in out
    assert "disgust" in out
    (result,) = json.loads((tmp_path / "pooled.json").read_text(encoding="utf-8"))["results"]
    assert result["split"] == "Training, held out"
    assert len(result["scores"]["recall_intervals"]) == 7
    assert main(["evaluate", "--held-out", str(folds[0]), "--quick"]) == 1
    assert "leave --quick out" in capsys.readouterr().err


def test_folds_that_do_not_make_up_training_are_refused(folds, tmp_path):
    with pytest.raises(ConvertError, match="has the folds 1 of 2: give the run of each fold once"):
        pool_folds(folds[:1])
    replace(Fold(2, 2).named(TINY), seed=9).save(folds[1] / "recipe.json")
    with pytest.raises(ConvertError, match="is of another recipe or division than"):
        pool_folds(folds)
    with pytest.raises(ConvertError, match=r"held_out\.npz cannot be read \(there is no such file\)"):
        read_held_out(tmp_path)
