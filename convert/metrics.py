"""Figures from predictions: accuracy with its interval, recalls, calibration, coverage."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.preprocess import calibrate

_Z_95: Final = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
_TEMPERATURES: Final = np.exp(np.linspace(math.log(0.25), math.log(4.0), 561))
"""Half a per cent apart: the likelihood is flat to four digits between neighbours."""
_SMALLEST: Final = 1e-12


@dataclass(frozen=True)
class Scores:
    """How predictions compare with labels.

    `interval`: Wilson's 95 % interval of `accuracy`; `recalls`: per label, None where it has no image;
    `confusion`: rows are the true labels, columns the predicted ones.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    macro_recall: float
    recalls: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927): honest near 0 and 1, unlike the normal one."""
    if total == 0:
        return 0.0, 1.0
    share, spread = correct / total, _Z_95**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def score(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Scores:
    """Compare labels (n,) with probabilities (n, classes)."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    correct, present = np.diag(confusion), confusion.sum(axis=1)
    recalls = tuple(float(hit / count) if count else None for hit, count in zip(correct, present, strict=True))
    known = [recall for recall in recalls if recall is not None]
    return Scores(
        images=len(labels),
        accuracy=float(correct.sum() / max(1, len(labels))),
        interval=wilson(int(correct.sum()), len(labels)),
        macro_recall=float(np.mean(known)) if known else 0.0,
        recalls=recalls,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64], quantum: float) -> float:
    """Return the temperature with the least negative log-likelihood of the labels (Guo et al. 2017).

    Applied as `edge` does, on probabilities (n, classes) as the quantized output gives them in steps
    of `quantum`: p^(1/T), renormalised.
    """
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        calibrated = calibrate(probabilities, temperature, quantum)
        return float(-np.log(np.maximum(calibrated[rows, labels], _SMALLEST)).mean())

    return float(min(_TEMPERATURES, key=loss))


def threshold_for_coverage(probabilities: NDArray[np.float32], coverage: float) -> float:
    """Return the confidence, in steps of 0.01, that the stated share of rows (or a little more) reaches."""
    confidence = probabilities.max(axis=1)
    return math.floor(100 * float(np.quantile(confidence, 1 - coverage))) / 100


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins of confidence (Naeini et al. 2015)."""
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = bin_of == number
        if inside.any():
            gap = abs(float((predicted[inside] == labels[inside]).mean()) - float(confidence[inside].mean()))
            error += gap * float(inside.mean())
    return error
