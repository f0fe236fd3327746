"""Adjusts a trained model's logits towards rare labels, as far as the accuracy permits."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.metrics import score

LAST_LAYER: Final = "emotion"
_STEP: Final = 0.05
_TOLERANCE: Final = 0.002
"""Accuracy that may be traded for macro recall: a tenth of the width of its confidence interval."""
_MIN_PROBABILITY: Final = 1e-9


@dataclass(frozen=True)
class LogitAdjustment:
    """The chosen strength, and its effect on the split on which it was chosen; `_before`: without adjustment."""

    strength: float
    accuracy: float
    macro_recall: float
    accuracy_before: float
    macro_recall_before: float


def label_shares(targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of targets (n, classes) in which each class leads; a class that never leads counts once."""
    counts = np.bincount(targets.argmax(axis=1), minlength=targets.shape[1])
    return np.asarray(np.maximum(counts, 1) / len(targets))


def choose_strength(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], shares: NDArray[np.float64]
) -> LogitAdjustment:
    """Choose the factor of -log(share) that is added to each class's logit (Menon et al. 2021, post hoc).

    `probabilities` (n, classes) and `labels` (n,) of a split that was not trained on. The chosen strength,
    in steps of 0.05 from 0 to 1, has the largest macro recall among those that cost at most 0.2 points of
    the best accuracy. Of equal ones the smallest is chosen.
    """
    logits = np.log(np.maximum(probabilities, _MIN_PROBABILITY))
    tried = [(round(step * _STEP, 2), score(labels, logits - step * _STEP * np.log(shares))) for step in range(21)]
    lowest_accuracy = max(scores.accuracy for _, scores in tried) - _TOLERANCE
    strength, chosen = max(
        (each for each in tried if each[1].accuracy >= lowest_accuracy),
        key=lambda each: (each[1].macro_recall, -each[0]),
    )
    before = tried[0][1]
    return LogitAdjustment(strength, chosen.accuracy, chosen.macro_recall, before.accuracy, before.macro_recall)


def adjust_bias(model: Any, strength: float, shares: NDArray[np.float64]) -> None:  # noqa: ANN401 - keras has no types
    """Add -strength * log(share) to the bias of the model's last dense layer, in place."""
    kernel, bias = model.get_layer(LAST_LAYER).get_weights()
    model.get_layer(LAST_LAYER).set_weights([kernel, (bias - strength * np.log(shares)).astype(np.float32)])
