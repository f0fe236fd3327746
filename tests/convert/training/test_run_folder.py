import json
from dataclasses import replace

import pytest

from convert.errors import ConvertError
from convert.training.recipe import Stage
from convert.training.run_folder import best_model, last_words, open_run, place_of, unfinished_warning
from support.tiny_run import TINY

TWO = replace(TINY, stages=(Stage(32, 2, 1e-3), Stage(64, 3, 1e-3)))


def begun(folder, recipe=TWO, files=(), **state):
    """A run's folder in a state, with empty files."""
    recipe.save(folder / "recipe.json")
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    for name in files:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({}, None),
        ({"batch": 4}, "batch 4 of epoch 1 of 2, stage 1 of 2"),
        ({"epoch": 1}, "the end of epoch 1 of 2, stage 1 of 2"),
        ({"epoch": 1, "batch": 7}, "batch 7 of epoch 2 of 2, stage 1 of 2"),
        ({"epoch": 2}, "the end of epoch 2 of 2, stage 1 of 2"),
        ({"stage": 1}, "the end of epoch 2 of 2, stage 1 of 2"),
        ({"stage": 1, "batch": 1}, "batch 1 of epoch 1 of 3, stage 2 of 2"),
        ({"stage": 2}, "the end of the last epoch"),
    ],
)
def test_place_names_what_is_saved(state, place, tmp_path):
    files = {"stage0_epoch2.npz", "best.keras"}
    at = "stage{stage}_epoch{epoch}".format(**{"stage": 0, "epoch": 0} | state)
    part = f"_batch{state['batch']}" if "batch" in state else ""
    files |= {f"{at}{part}.keras", f"{at}{part}.npz"}
    folder = begun(tmp_path, files=files, **state)
    assert place_of(open_run(TWO, folder).state, TWO) == place
    words = f"saved in {folder} up to {place}; the same command resumes from there"
    assert last_words(TWO, folder) == (
        words if place else "nothing is saved yet, so the same command starts from the beginning"
    )


def test_finished_run_has_nothing_to_lose(tmp_path):
    folder = begun(tmp_path, files=["best.keras"], stage=2, rebalanced=0.1)
    assert last_words(TWO, folder) == f"the run in {folder} is finished, and nothing of it is lost"
    assert unfinished_warning(folder) is None


def test_folder_of_another_recipe_is_refused_with_what_differs(tmp_path):
    begun(tmp_path)
    with pytest.raises(ConvertError, match=r"belongs to another recipe, of another name, seed \(.*recipe\.json\)"):
        open_run(replace(TWO, name="other", seed=3), tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", r"state\.json is not the state of a training run"),
        ("[]", r"state\.json is not the state of a training run"),
        ('{"step": 3}', r"state\.json is not the state of a training run \(unknown key 'step'\)"),
        ('{"stage": "1"}', r"state\.json is not the state of a training run"),
        ('{"stage": 7}', r"state\.json names stage 7, epoch 0, batch 0, which this run does not have"),
        ('{"epoch": 3}', r"state\.json names stage 0, epoch 3, batch 0, which this run does not have"),
        ('{"epoch": 1}', r"stage0_epoch1\.keras is missing, from which the run resumes: give another --run"),
        ('{"stage": 1}', r"stage0_epoch2\.npz is missing"),
        ('{"stage": 2}', r"has trained all epochs, but .*best\.keras is missing"),
    ],
)
def test_state_that_cannot_be_used_is_named(content, sentence, tmp_path):
    begun(tmp_path)
    (tmp_path / "state.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConvertError, match=sentence):
        open_run(TWO, tmp_path)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [({}, r"\(nothing is saved yet\)"), ({"stage": 1}, r"\(it is saved up to the end of epoch 2 of 2, stage 1 of 2\)")],
)
def test_run_without_a_best_model_says_how_far_it_is(state, sentence, tmp_path):
    with pytest.raises(ConvertError, match=rf"has no best model yet, because .* {sentence}: give its `train` command"):
        best_model(begun(tmp_path, **state))


def test_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(ConvertError, match=r"nosuch does not exist: give the --run of a training"):
        best_model(tmp_path / "nosuch")
    with pytest.raises(ConvertError, match=r"is not the folder of a training run: it has neither best\.keras nor"):
        best_model(tmp_path)


def test_unfinished_run_with_a_best_model_is_warned_about(tmp_path):
    folder = begun(tmp_path, files=["best.keras"], stage=1, epoch=2)
    assert best_model(folder) == folder / "best.keras"
    assert unfinished_warning(folder) == (
        f"warning: the run in {folder} is not finished (saved up to the end of epoch 2 of 3, stage 2 of 2 of recipe "
        "tiny): its best model so far is used, without the adjustment of its logits towards rare labels"
    )
