"""Training on a few made-up patterns: seconds, and the same code as the real run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")

import keras
from tiny_run import TINY

from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.training.batches import Views, mixed, sample_weights, targets
from convert.training.distillation import Teacher
from convert.training.network import build, grey_backbone, imagenet_weights, to_input, train_from
from convert.training.recipe import HEAD_ONLY, Recipe
from convert.training.train import train


class KilledError(BaseException):
    """Not an Exception: like a signal, nothing on the way may catch it."""


def weights(path):
    return keras.models.load_model(path).get_weights()


def test_a_run_says_how_far_it_is_and_leaves_a_bare_model(whole_run):
    folder, best, said = whole_run
    assert said[0] == "training on 192 faces, choosing on 64 of PublicTest; recipe tiny"
    assert [line.split(":")[0] for line in said[1:3]] == ["32 px, epoch 1 of 2", "32 px, epoch 2 of 2"]
    assert said[2].endswith("about 0 minutes left")
    assert said[3].startswith("rare labels favoured by 0")
    assert len(said) == 4
    assert Recipe.load(folder / "recipe.json") == TINY
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]
    checkpoint = folder / "stage0_epoch2.keras"
    # AdamW keeps two numbers per weight, which the best model must not carry along.
    assert best.stat().st_size < 0.5 * checkpoint.stat().st_size
    assert not keras.models.load_model(best).compiled


def test_a_killed_run_goes_on_to_the_same_weights(whole_run, small_data, tmp_path):
    _, best, _ = whole_run

    def kill_after_one_epoch(line):
        if "epoch 1" in line:
            raise KilledError

    with pytest.raises(KilledError):
        train(TINY, small_data, tmp_path, kill_after_one_epoch)
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["epoch"] == 1
    said = []
    again = train(TINY, small_data, tmp_path, said.append)
    assert [line.split(":")[0] for line in said[1:-1]] == ["32 px, epoch 2 of 2"]
    # Views, rates, dropout, optimizer state and what it decays are all restored. Here the weights come
    # out equal to the last bit; a machine whose threads add up in another order may lose some digits.
    for one, other in zip(weights(best), weights(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_finished_run_is_not_trained_again(whole_run, small_data):
    folder, best, _ = whole_run
    before = best.read_bytes()
    said = []
    train(TINY, small_data, folder, said.append)
    assert len(said) == 1
    assert best.read_bytes() == before


def test_another_recipe_does_not_go_on_in_the_same_folder(whole_run, small_data):
    folder, _, _ = whole_run
    with pytest.raises(ConvertError, match="belongs to another recipe"):
        train(Recipe(name="other"), small_data, folder, print)


def test_a_width_without_weights_says_which_file_is_missing(tmp_path):
    with pytest.raises(ConvertError, match=r"no ImageNet weights for alpha 0\.5: .*mobilenet_v2_0\.5_imagenet"):
        imagenet_weights(tmp_path, 0.5)


def test_views_depend_on_seed_epoch_and_batch_only(small_data):
    split = load_split(small_data, "Training")
    first, again, later = (Views(split, TINY, 0, epoch) for epoch in (0, 0, 1))
    inputs, targets, weight = first[1]
    assert inputs.shape == (32, 32, 32, 1)
    assert inputs.dtype == targets.dtype == weight.dtype == np.float32
    assert inputs.min() >= -1
    assert inputs.max() <= 1
    np.testing.assert_array_equal(inputs, again[1][0])
    assert not np.array_equal(inputs, later[1][0])
    assert len(first) == 6


def test_rare_classes_weigh_more(small_data):
    split = load_split(small_data, "Training")
    rare = split.take(np.r_[np.flatnonzero(split.leader == 0)[:3], np.flatnonzero(split.leader == 3)])
    weight = sample_weights(rare.votes, 0.5)
    assert weight.mean() == pytest.approx(1)
    assert weight[0] > 2 * weight[-1]
    np.testing.assert_allclose(sample_weights(rare.votes, 0.0), 1)


def test_the_grey_backbone_is_the_colour_one_on_grey_pictures(small_data):
    path = small_data / "mobilenet_v2_0.35_imagenet_notop.weights.h5"
    colour = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    colour.load_weights(path)
    grey = grey_backbone(32, 0.35, path)
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    expected = np.asarray(colour(np.repeat(picture, 3, axis=3), training=False))
    # Three products are summed in another order: the last digits differ, over 52 layers.
    np.testing.assert_allclose(np.asarray(grey(picture, training=False)), expected, rtol=1e-3, atol=1e-5)


def test_the_classifier_gives_probabilities():
    model = build(TINY, 32, None)
    rows = np.asarray(model(to_input(np.zeros((2, 32, 32), dtype=np.uint8)), training=False))
    assert rows.shape == (2, 7)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)


def test_pixels_become_minus_one_to_one():
    values = to_input(np.array([[[0, 255]]], dtype=np.uint8))
    assert values.shape == (1, 1, 2, 1)
    assert values.ravel().tolist() == [-1.0, 1.0]


def test_blocks_that_rest_keep_weights_and_statistics(small_data, tmp_path):
    recipe = replace(TINY, name="rested", average_decay=0.0, stages=(replace(TINY.stages[0], epochs=1, first_block=3),))
    trained = keras.models.load_model(train(recipe, small_data, tmp_path, print))
    keras.utils.set_random_seed(recipe.seed)
    start = build(recipe, 32, imagenet_weights(small_data, 0.35))
    learns = False
    for before, after in zip(start.layers, trained.layers, strict=True):
        learns = learns or before.name.startswith("block_3_")
        same = all(np.array_equal(*pair) for pair in zip(before.get_weights(), after.get_weights(), strict=True))
        assert same or learns
        if learns and before.get_weights():
            assert not same


def test_a_head_alone_leaves_the_backbone(small_data):
    model = build(TINY, 32, imagenet_weights(small_data, 0.35))
    train_from(model, HEAD_ONLY)
    assert {layer.name for layer in model.layers if layer.trainable and layer.get_weights()} == {"dense_1", "emotion"}


def test_the_average_lags_behind_the_weights_and_is_what_is_kept(whole_run):
    folder, best, _ = whole_run
    last = keras.models.load_model(folder / "stage0_epoch2.keras").get_weights()
    with np.load(folder / "stage0_epoch2.npz") as file:
        average = [file[name] for name in file.files]
    assert not all(np.array_equal(*pair) for pair in zip(last, average, strict=True))
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert history[1]["public_test"] >= history[0]["public_test"], "the second epoch's average is then the best"
    for kept, value in zip(weights(best.with_name("unbalanced.keras")), average, strict=True):
        np.testing.assert_array_equal(kept, value)
    # One epoch's checkpoint is enough to go on from.
    assert sorted(path.name for path in folder.glob("stage0*")) == ["stage0_epoch2.keras", "stage0_epoch2.npz"]


def test_a_run_killed_before_it_notes_the_shift_does_not_shift_twice(whole_run, small_data, tmp_path):
    folder, best, _ = whole_run
    again = shutil.copytree(folder, tmp_path / "again")
    state = json.loads((again / "state.json").read_text(encoding="utf-8"))
    assert state["rebalanced"] is not None
    (again / "state.json").write_text(json.dumps(state | {"rebalanced": None}), encoding="utf-8")
    for one, other in zip(weights(train(TINY, small_data, again, print)), weights(best), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_teacher_shifts_the_targets(whole_run, small_data):
    _, best, _ = whole_run
    split = load_split(small_data, "Training")
    recipe = replace(TINY, teacher_share=0.25)
    teacher = Teacher(best)
    alone, taught = Views(split, TINY, 0, 0)[0], Views(split, recipe, 0, 0, teacher)[0]
    np.testing.assert_array_equal(alone[0], taught[0])
    views = np.rint((alone[0][..., 0] + 1) * 127.5).astype(np.uint8)
    np.testing.assert_allclose(taught[1], 0.75 * alone[1] + 0.25 * teacher.say(views), atol=1e-5)


@pytest.mark.parametrize(("share", "teacher"), [(0.5, None), (0.0, "best.keras")])
def test_a_teacher_and_a_recipe_that_wants_one_belong_together(share, teacher, small_data, tmp_path):
    with pytest.raises(ConvertError, match=r"recipe tiny (learns from a teacher|has teacher_share 0)"):
        train(replace(TINY, teacher_share=share), small_data, tmp_path, print, teacher and tmp_path / teacher)


def test_a_teacher_must_be_a_model_for_these_labels(tmp_path):
    (tmp_path / "text.keras").write_text("no")
    with pytest.raises(ConvertError, match=r"teacher .*text\.keras is not a Keras model"):
        Teacher(tmp_path / "text.keras")
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Dense(7)(keras.layers.Flatten()(inputs))).save(tmp_path / "colour.keras")
    with pytest.raises(ConvertError, match=r"colour\.keras takes \(None, 32, 32, 3\)"):
        Teacher(tmp_path / "colour.keras")


def test_fer2013_labels_are_certain_targets(small_data):
    split = load_split(small_data, "Training")
    wanted = targets(split, replace(TINY, labels="fer2013"))
    np.testing.assert_array_equal(wanted.argmax(axis=1), split.original)
    assert set(np.unique(wanted)) == {0.0, 1.0}


def test_votes_are_targets_and_the_leader_counts_more_where_asked(small_data):
    split = load_split(small_data, "Training").take(np.arange(3))
    votes = np.tile(np.array([0.1, 0, 0, 0.5, 0.4, 0, 0], dtype=np.float32), (3, 1))
    split = replace(split, votes=votes, leader=np.array([3, 4, -1]))
    np.testing.assert_array_equal(targets(split, TINY), votes)
    wanted = targets(split, TINY, 0.5)
    np.testing.assert_allclose(wanted[0], [0.05, 0, 0, 0.75, 0.2, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(wanted[1], [0.05, 0, 0, 0.25, 0.7, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(wanted[2], votes[2], rtol=1e-6)


def test_mixing_treats_pictures_and_targets_alike():
    inputs = np.eye(4, dtype=np.float32).reshape(4, 2, 2, 1)
    wanted = np.eye(4, 7, dtype=np.float32)
    pictures, targeted = mixed(inputs, wanted, 0.5, np.random.default_rng(4))
    np.testing.assert_allclose(pictures.reshape(4, 4), targeted[:, :4])
    np.testing.assert_allclose(targeted.sum(axis=1), 1, rtol=1e-6)
    assert not np.array_equal(targeted, wanted)
