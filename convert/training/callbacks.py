"""Keras callbacks of a training run: learning rate, average of the weights, and progress within an epoch."""

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np

from convert.training.batches import TrainingBatches
from convert.training.checkpoint import Weights
from convert.training.recipe import Recipe, learning_rate

_AVERAGE_INTERVAL: Final = 8
"""Batches between two updates of the average: each update copies all weights."""

Report = Callable[[Any, int, float], None]
"""Called after a batch with the model, the number of batches done and their mean loss.

With the callback's own `model`, never with another reference to it: with JAX the variables of a model are valid within
`fit` only behind that property, which fetches them from the compiled step.
"""


class LearningRate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch."""

    def __init__(self, recipe: Recipe, batches: TrainingBatches) -> None:
        """Take the place in the run from `batches`."""
        super().__init__()
        self._at: Callable[[int], float] = lambda batch: learning_rate(
            recipe, batches.stage, batches.epoch + (batches.first + batch) / batches.total
        )

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate for the batch."""
        del logs
        self.model.optimizer.learning_rate.assign(self._at(batch))


class WeightAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps an exponential moving average of all weights and statistics, which varies less than they do."""

    def __init__(self, decay: float, values: Weights) -> None:
        """Begin with `values`. `decay`: per batch."""
        super().__init__()
        self._decay, self.values = decay**_AVERAGE_INTERVAL, values
        self.first = 0
        """Number of the epoch's batch with which the next `fit` begins."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the weights to the average where it is their turn."""
        del logs
        if (self.first + batch) % _AVERAGE_INTERVAL == 0:
            for average, weight in zip(self.values, self.model.get_weights(), strict=True):
                np.add(average, (1 - self._decay) * (weight - average), out=average)


class BatchCount(keras.callbacks.Callback):  # type: ignore[misc]
    """Counts an epoch's batches, averages their loss, and reports both after each batch."""

    def __init__(self, first: int, loss: float, report: Report) -> None:
        """Begin after `first` batches with the mean loss `loss`."""
        super().__init__()
        self._first, self._first_loss, self._report = first, loss, report
        self.loss = loss

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the batch. Keras gives the mean loss over the batches of this `fit`."""
        done = self._first + batch + 1
        mean = float((logs or {})["loss"])
        self.loss = (self._first * self._first_loss + (batch + 1) * mean) / done
        self._report(self.model, done, self.loss)
