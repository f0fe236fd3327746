from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
from convert.data.fer2013 import load_split
from convert.training.batches import Place, TrainingBatches, mix_up, sample_weights, soft_targets
from convert.training.views import ViewWorkers
from support.tiny_run import TINY


def test_batches_depend_on_seed_epoch_and_batch_only(small_data):
    split = load_split(small_data, "Training")
    first, again, later = (TrainingBatches(split, TINY, Place(0, epoch)) for epoch in (0, 0, 1))
    inputs, targets, weight = first[1]
    assert inputs.shape == (96, 32, 32, 1)
    assert inputs.dtype == targets.dtype == weight.dtype == np.float32
    assert inputs.min() >= -1
    assert inputs.max() <= 1
    np.testing.assert_array_equal(inputs, again[1][0])
    assert not np.array_equal(inputs, later[1][0])
    assert len(first) == 2


def test_worker_processes_draw_the_same_batches(small_data):
    split = load_split(small_data, "Training")
    recipe = replace(TINY, stages=(replace(TINY.stages[0], mixup=0.3),))
    with ViewWorkers(split.images, 1) as workers:
        for epoch in (0, 1):  # an epoch that was left after its first batch, and the next
            alone = TrainingBatches(split, recipe, Place(0, epoch))[0]
            ahead = TrainingBatches(split, recipe, Place(0, epoch), None, workers)[0]
            for one, other in zip(alone, ahead, strict=True):
                np.testing.assert_array_equal(one, other)


def test_rare_classes_have_larger_weights(small_data):
    split = load_split(small_data, "Training")
    rare = split.take(np.r_[np.flatnonzero(split.leader == 0)[:3], np.flatnonzero(split.leader == 3)])
    weight = sample_weights(rare.votes, 0.5)
    assert weight.mean() == pytest.approx(1)
    assert weight[0] > 2 * weight[-1]
    np.testing.assert_allclose(sample_weights(rare.votes, 0.0), 1)


def test_fer2013_labels_are_one_hot_targets(small_data):
    split = load_split(small_data, "Training")
    targets = soft_targets(split, replace(TINY, labels="fer2013"))
    np.testing.assert_array_equal(targets.argmax(axis=1), split.original)
    assert set(np.unique(targets)) == {0.0, 1.0}


def test_targets_are_votes_with_a_share_of_the_leader(small_data):
    split = load_split(small_data, "Training").take(np.arange(3))
    votes = np.tile(np.array([0.1, 0, 0, 0.5, 0.4, 0, 0], dtype=np.float32), (3, 1))
    split = replace(split, votes=votes, leader=np.array([3, 4, -1]))
    np.testing.assert_array_equal(soft_targets(split, TINY), votes)
    targets = soft_targets(split, TINY, 0.5)
    np.testing.assert_allclose(targets[0], [0.05, 0, 0, 0.75, 0.2, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(targets[1], [0.05, 0, 0, 0.25, 0.7, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(targets[2], votes[2], rtol=1e-6)


def test_inputs_and_targets_are_mixed_with_equal_shares():
    inputs = np.eye(4, dtype=np.float32).reshape(4, 2, 2, 1)
    targets = np.eye(4, 7, dtype=np.float32)
    mixed, mixed_targets = mix_up(inputs, targets, 0.5, np.random.default_rng(4))
    np.testing.assert_allclose(mixed.reshape(4, 4), mixed_targets[:, :4])
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert not np.array_equal(mixed_targets, targets)
