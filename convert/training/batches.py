"""Produces the batches of a training run: augmented faces with soft targets."""

from typing import Final, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.training.distillation import Teacher, resized
from convert.training.network import to_input
from convert.training.recipe import MAX_EPOCHS, Recipe
from convert.training.views import ViewRequest, ViewWorkers, draw_views

_MIN_FREQUENCY: Final = 1e-9
"""Replaces a frequency of 0. No target uses the weight that follows; it must only be finite."""

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Place(NamedTuple):
    """A place in a run: `batch` batches of epoch number `epoch` of stage number `stage` are done, all from 0."""

    stage: int
    epoch: int
    batch: int = 0


class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch from number `first` on; they depend on seed, epoch and batch number only.

    `total`: number of whole batches of the epoch. Other epochs use the remaining images.
    """

    def __init__(
        self,
        split: Split,
        recipe: Recipe,
        place: Place,
        teacher: Teacher | None = None,
        workers: ViewWorkers | None = None,
    ) -> None:
        """Draw the order of the images of the epoch at `place`. `workers`: draw the views; None: this process does."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self._split, self._recipe, self._settings, self._teacher = split, recipe, recipe.stages[place.stage], teacher
        self.stage, self.epoch, self.first = place
        self.total = len(split) // recipe.batch_size
        self.epoch_id = MAX_EPOCHS * place.stage + place.epoch
        self._order = np.random.default_rng((recipe.seed, self.epoch_id)).permutation(len(split))
        self._targets = soft_targets(split, recipe, self._settings.leader_share)
        self._weights = sample_weights(self._targets, self._settings.class_weight_power)
        self._view_workers = workers
        if workers is not None:
            workers.forget()

    def __len__(self) -> int:
        """Return the number of whole batches from `first` on."""
        return self.total - self.first

    def __getitem__(self, index: int) -> Batch:
        """Return inputs (b, side, side, 1), targets (b, 7) and weights (b,) of batch number `first` + `index`."""
        index += self.first
        share, side = self._recipe.teacher_share, self._settings.side_px
        request = self._request(index)
        rows = request.rows
        if self._view_workers is None:
            views, rng = draw_views(self._split.images, request)
        else:
            views, rng = self._view_workers.views(index, self.total, self._request)
        targets = self._targets[rows]
        if self._teacher is not None:
            # Teacher and student get the same view: a teacher with another crop would teach the difference.
            targets = (1 - share) * targets + share * self._teacher.predict(views)
        inputs, targets = to_input(resized(views, side)), np.asarray(targets, dtype=np.float32)
        if self._settings.mixup:
            inputs, targets = mix_up(inputs, targets, self._settings.mixup, rng)
        return inputs, targets, self._weights[rows]

    def _request(self, index: int) -> ViewRequest:
        size, side = self._recipe.batch_size, self._settings.side_px
        rows = self._order[index * size : (index + 1) * size]
        view_px = side if self._teacher is None else max(side, self._teacher.side_px)
        return ViewRequest(rows, (self._recipe.seed, self.epoch_id, index), view_px, self._settings.augmentation)


def mix_up(
    inputs: NDArray[np.float32], targets: NDArray[np.float32], alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mix each sample with another of the batch: inputs (b, side, side, 1) and targets (b, 7) with equal shares.

    The share is drawn once per batch from Beta(alpha, alpha).
    """
    other = rng.permutation(len(inputs))
    share = np.float32(rng.beta(alpha, alpha))
    return share * inputs + (1 - share) * inputs[other], share * targets + (1 - share) * targets[other]


def soft_targets(split: Split, recipe: Recipe, leader_share: float = 0.0) -> NDArray[np.float32]:
    """Return the targets (n, 7): shares of the votes, or FER2013's label one-hot.

    `leader_share` of a target is the leading label one-hot, where one of the seven labels leads.
    """
    one_hot = np.eye(split.votes.shape[1], dtype=np.float32)
    if recipe.labels == "fer2013":
        return np.asarray(one_hot[split.original])
    leading = np.where((split.leader >= 0)[:, None], one_hot[split.leader], split.votes)
    return np.asarray((1 - leader_share) * split.votes + leader_share * leading, dtype=np.float32)


def sample_weights(targets: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Return weights (n,) with mean 1: the inverse class frequency of the targets (n, 7), raised to `power`."""
    frequency = np.maximum(targets.mean(axis=0), _MIN_FREQUENCY)
    weights = targets @ (1 / frequency) ** power
    return np.asarray(weights / weights.mean(), dtype=np.float32)
