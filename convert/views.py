"""What a training run sees: augmented faces with soft targets, batch after batch."""

from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.augment import augment
from convert.dataset import Split
from convert.model import to_input
from convert.recipe import Recipe

_NEVER_SEEN: Final = 1e-9
"""Stands for a frequency of 0: no vote meets its weight, which must only be finite."""

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Views(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of augmented faces with soft targets; a function of seed, epoch and batch number only."""

    def __init__(self, split: Split, side_px: int, recipe: Recipe, epoch: int) -> None:
        """Draw the order of this epoch."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self._split, self._side, self._recipe, self.epoch = split, side_px, recipe, epoch
        rng = np.random.default_rng((recipe.seed, epoch))
        self._order = rng.permutation(len(split))
        self._weights = sample_weights(split, recipe.class_weight_power)

    def __len__(self) -> int:
        """Return the number of whole batches; the rest of the faces have their turn in other epochs."""
        return len(self._split) // self._recipe.batch_size

    def __getitem__(self, index: int) -> Batch:
        """Return inputs (b, side, side, 1), targets (b, 7) and weights (b,)."""
        size = self._recipe.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._recipe.seed, self.epoch, index))
        views = np.stack([augment(self._split.images[row], self._side, rng) for row in rows])
        return to_input(views), self._split.votes[rows], self._weights[rows]


def sample_weights(split: Split, power: float) -> NDArray[np.float32]:
    """Weight each image by its votes' inverse class frequency to `power`; mean 1."""
    frequency = np.maximum(split.votes.mean(axis=0), _NEVER_SEEN)
    weights = split.votes @ (1 / frequency) ** power
    return np.asarray(weights / weights.mean(), dtype=np.float32)
