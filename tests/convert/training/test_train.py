"""Training on a few synthetic patterns: seconds, and the same code as the real run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.errors import ConvertError
from convert.training.network import build_network, imagenet_weights
from convert.training.recipe import Recipe
from convert.training.train import train
from support.tiny_run import TINY


class KilledError(BaseException):
    """Not an Exception: like a signal, nothing on the way may catch it."""


def weights(path):
    return keras.models.load_model(path).get_weights()


def test_run_prints_its_progress_and_saves_a_model_without_optimizer(finished_run):
    folder, best, printed = finished_run
    assert printed[0] == "training on 192 faces, validating on 64 of PublicTest; recipe tiny"
    assert [line.split(":")[0] for line in printed[1:3]] == ["32 px, epoch 1 of 2", "32 px, epoch 2 of 2"]
    assert printed[2].endswith("about 0 minutes left")
    assert printed[3].startswith("logits adjusted towards rare labels, strength 0")
    assert len(printed) == 4
    assert Recipe.load(folder / "recipe.json") == TINY
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]
    checkpoint = folder / "stage0_epoch2.keras"
    # AdamW keeps two numbers per weight, which the best model must not contain.
    assert best.stat().st_size < 0.5 * checkpoint.stat().st_size
    assert not keras.models.load_model(best).compiled


def test_killed_run_resumes_to_the_same_weights(finished_run, small_data, tmp_path):
    _, best, _ = finished_run

    def kill_after_one_epoch(line):
        if "epoch 1" in line:
            raise KilledError

    with pytest.raises(KilledError):
        train(TINY, small_data, tmp_path, kill_after_one_epoch)
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["epoch"] == 1
    printed = []
    again = train(TINY, small_data, tmp_path, printed.append)
    assert [line.split(":")[0] for line in printed[1:-1]] == ["32 px, epoch 2 of 2"]
    # Views, rates, dropout, optimizer state and the variables it decays are all restored. Here the weights are
    # equal to the last bit; a machine whose threads add up in another order may lose some digits.
    for one, other in zip(weights(best), weights(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_finished_run_is_not_trained_again(finished_run, small_data):
    folder, best, _ = finished_run
    before = best.read_bytes()
    printed = []
    train(TINY, small_data, folder, printed.append)
    assert len(printed) == 1
    assert best.read_bytes() == before


def test_run_folder_of_another_recipe_is_refused(finished_run, small_data):
    folder, _, _ = finished_run
    with pytest.raises(ConvertError, match="belongs to another recipe"):
        train(Recipe(name="other"), small_data, folder, print)


def test_frozen_blocks_keep_weights_and_statistics(small_data, tmp_path):
    recipe = replace(TINY, name="rested", average_decay=0.0, stages=(replace(TINY.stages[0], epochs=1, first_block=3),))
    trained = keras.models.load_model(train(recipe, small_data, tmp_path, print))
    keras.utils.set_random_seed(recipe.seed)
    start = build_network(recipe, 32, imagenet_weights(small_data, 0.35))
    trainable = False
    for before, after in zip(start.layers, trained.layers, strict=True):
        trainable = trainable or before.name.startswith("block_3_")
        same = all(np.array_equal(*pair) for pair in zip(before.get_weights(), after.get_weights(), strict=True))
        assert same or trainable
        if trainable and before.get_weights():
            assert not same


def test_average_of_the_weights_differs_from_them_and_is_kept(finished_run):
    folder, best, _ = finished_run
    last = keras.models.load_model(folder / "stage0_epoch2.keras").get_weights()
    with np.load(folder / "stage0_epoch2.npz") as file:
        average = [file[name] for name in file.files]
    assert not all(np.array_equal(*pair) for pair in zip(last, average, strict=True))
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert history[1]["public_test"] >= history[0]["public_test"], "the second epoch's average is then the best"
    for kept, value in zip(weights(best.with_name("unbalanced.keras")), average, strict=True):
        np.testing.assert_array_equal(kept, value)
    # Only the last epoch's checkpoint is kept.
    assert sorted(path.name for path in folder.glob("stage0*")) == ["stage0_epoch2.keras", "stage0_epoch2.npz"]


def test_run_killed_before_saving_the_adjustment_adjusts_once(finished_run, small_data, tmp_path):
    folder, best, _ = finished_run
    again = shutil.copytree(folder, tmp_path / "again")
    state = json.loads((again / "state.json").read_text(encoding="utf-8"))
    assert state["rebalanced"] is not None
    (again / "state.json").write_text(json.dumps(state | {"rebalanced": None}), encoding="utf-8")
    for one, other in zip(weights(train(TINY, small_data, again, print)), weights(best), strict=True):
        np.testing.assert_array_equal(one, other)
