"""What a training run sees: augmented faces with soft targets, batch after batch."""

from typing import Final

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import augment
from convert.data.fer2013 import Split
from convert.training.distillation import Teacher
from convert.training.network import to_input
from convert.training.recipe import Recipe

_NEVER_SEEN: Final = 1e-9
"""Stands for a frequency of 0: no vote meets its weight, which must only be finite."""

_STAGE_EPOCHS: Final = 1000
"""Epoch numbers of stage n start at n times this, so that no two stages draw the same views."""

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Views(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of augmented faces with soft targets; a function of seed, epoch and batch number only."""

    def __init__(self, split: Split, recipe: Recipe, stage: int, epoch: int, teacher: Teacher | None = None) -> None:
        """Draw the order of this epoch of stage number `stage`."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self._split, self._recipe, self._stage, self._teacher = split, recipe, recipe.stages[stage], teacher
        self.draw = _STAGE_EPOCHS * stage + epoch
        self._order = np.random.default_rng((recipe.seed, self.draw)).permutation(len(split))
        self._targets = targets(split, recipe, self._stage.leader_share)
        self._weights = sample_weights(self._targets, self._stage.class_weight_power)

    def __len__(self) -> int:
        """Return the number of whole batches; the rest of the faces have their turn in other epochs."""
        return len(self._split) // self._recipe.batch_size

    def __getitem__(self, index: int) -> Batch:
        """Return inputs (b, side, side, 1), targets (b, 7) and weights (b,)."""
        size, share = self._recipe.batch_size, self._recipe.teacher_share
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._recipe.seed, self.draw, index))
        how, side = self._stage.augmentation, self._stage.side_px
        drawn = side if self._teacher is None else max(side, self._teacher.side_px)
        views = np.stack([augment(self._split.images[row], drawn, how, rng) for row in rows])
        wanted = self._targets[rows]
        if self._teacher is not None:
            # The same view for both: a teacher that saw another crop would teach the difference.
            wanted = (1 - share) * wanted + share * self._teacher.say(resized(views, self._teacher.side_px))
        inputs, wanted = to_input(resized(views, side)), np.asarray(wanted, dtype=np.float32)
        if self._stage.mixup:
            inputs, wanted = mixed(inputs, wanted, self._stage.mixup, rng)
        return inputs, wanted, self._weights[rows]


def mixed(
    inputs: NDArray[np.float32], wanted: NDArray[np.float32], alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lay another view of the batch, at random, over each: inputs (b, side, side, 1), targets (b, 7) alike."""
    other = rng.permutation(len(inputs))
    share = np.float32(rng.beta(alpha, alpha))
    return share * inputs + (1 - share) * inputs[other], share * wanted + (1 - share) * wanted[other]


def resized(views: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return square pictures (n, any, any) at (n, side, side)."""
    if views.shape[1] == side_px:
        return views
    smaller = [cv2.resize(view, (side_px, side_px), interpolation=cv2.INTER_AREA) for view in views]
    return np.asarray(smaller, dtype=np.uint8)


def targets(split: Split, recipe: Recipe, leader_share: float = 0.0) -> NDArray[np.float32]:
    """Return what each image (n, 7) should give: the share of votes, or FER2013's label for certain.

    `leader_share` of it is the leading label for certain, where one of the seven leads.
    """
    certain = np.eye(split.votes.shape[1], dtype=np.float32)
    if recipe.labels == "fer2013":
        return np.asarray(certain[split.original])
    leading = np.where((split.leader >= 0)[:, None], certain[split.leader], split.votes)
    return np.asarray((1 - leader_share) * split.votes + leader_share * leading, dtype=np.float32)


def sample_weights(wanted: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Weight each image by its targets' inverse class frequency to `power`; mean 1."""
    frequency = np.maximum(wanted.mean(axis=0), _NEVER_SEEN)
    weights = wanted @ (1 / frequency) ** power
    return np.asarray(weights / weights.mean(), dtype=np.float32)
