"""Computes metrics from predictions: accuracy with its interval, precision, recall, calibration, coverage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.vision.classification.outputs import calibrate

Z_95: Final = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
_TEMPERATURES: Final = np.exp(np.linspace(math.log(0.25), math.log(4.0), 561))
"""Candidates half a per cent apart: between neighbours the likelihood is the same to four digits."""
_MIN_PROBABILITY: Final = 1e-12
_RESAMPLES: Final = 1000
"""Resamples behind an interval of the calibration error: the limits of repeated runs differ in the third digit."""
_RESAMPLE_SEED: Final = 17

Interval = tuple[float, float]
"""Lower and upper limit of a 95 % interval of a share."""


@dataclass(frozen=True)
class Scores:
    """Metrics of predictions against labels.

    `interval`: Wilson's 95 % interval of `accuracy`. One value per label, in the order of the labels:
    `recalls`, None for a label without images; `precisions`, None for a label that was never predicted;
    `f1`, None where both are None. `macro_recall`: mean of the recalls that are not None. `confusion`:
    rows are the true labels, columns the predicted labels. `recall_intervals`, `precision_intervals`: Wilson's, None
    where the share is None. `macro_recall_interval`: of `mean_interval`. `missed`: images of each label that got no
    prediction. They count as wrong in `images`, `accuracy` and recalls, and are not in `confusion`.
    """

    images: int
    accuracy: float
    interval: Interval
    macro_recall: float
    recalls: tuple[float | None, ...]
    precisions: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    macro_recall_interval: Interval
    recall_intervals: tuple[Interval | None, ...]
    precision_intervals: tuple[Interval | None, ...]
    missed: tuple[int, ...]

    def images_of(self, label: int) -> int:
        """Return the number of images of a label, by its index: with those that got no prediction."""
        return sum(self.confusion[label]) + self.missed[label]


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence lies in [low, high), or [low, 1] for the last bin.

    `confidence`: mean confidence; `accuracy`: share of correct predictions. Both are None without images.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


def wilson_interval(correct: int, total: int) -> Interval:
    """Return the 95 % score interval of a share (Wilson 1927), which holds near 0 and 1 too, unlike the normal one."""
    if total == 0:
        return 0.0, 1.0
    share, spread = correct / total, Z_95**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    # The interval holds the share; rounding may leave a limit beside a share of exactly 0 or 1.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def mean_interval(shares: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Return the 95 % interval of the mean of independent shares from the interval of each; (0, 1) for none.

    It recovers variances from the distances of the limits (Zou, Huang and Zhang 2009), so that it holds where a share
    is 0 or 1.
    """
    if not shares:
        return 0.0, 1.0
    mean = float(np.mean(shares))
    below = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, intervals, strict=True)))
    above = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, intervals, strict=True)))
    return max(0.0, mean - below / len(shares)), min(1.0, mean + above / len(shares))


def _shares(hits: NDArray[np.int64], totals: NDArray[np.int64]) -> tuple[float | None, ...]:
    return tuple(float(hit / total) if total else None for hit, total in zip(hits, totals, strict=True))


def _intervals(hits: NDArray[np.int64], totals: NDArray[np.int64]) -> tuple[Interval | None, ...]:
    return tuple(
        wilson_interval(int(hit), int(total)) if total else None for hit, total in zip(hits, totals, strict=True)
    )


def score(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], missed: NDArray[np.int64] | None = None
) -> Scores:
    """Compare labels int64 (n,), all 0 or more, with probabilities or logits, any float type (n, classes).

    `missed`: int64 (classes,), the number of further images of each label that got no prediction, and so are wrong.
    """
    classes = probabilities.shape[1]
    missed = np.zeros(classes, dtype=np.int64) if missed is None else missed
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    correct, present, predictions = np.diag(confusion), confusion.sum(axis=1) + missed, confusion.sum(axis=0)
    recalls, recall_intervals = _shares(correct, present), _intervals(correct, present)
    known = [recall for recall in recalls if recall is not None]
    images = len(labels) + int(missed.sum())
    return Scores(
        images=images,
        accuracy=float(correct.sum() / max(1, images)),
        interval=wilson_interval(int(correct.sum()), images),
        macro_recall=float(np.mean(known)) if known else 0.0,
        recalls=recalls,
        precisions=_shares(correct, predictions),
        # The harmonic mean of precision and recall (van Rijsbergen 1979), from the counts alone.
        f1=_shares(2 * correct, present + predictions),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        macro_recall_interval=mean_interval(known, [limits for limits in recall_intervals if limits is not None]),
        recall_intervals=recall_intervals,
        precision_intervals=_intervals(correct, predictions),
        missed=tuple(int(count) for count in missed),
    )


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64], quantum: float) -> float:
    """Return the temperature with the least negative log-likelihood of the labels (Guo et al. 2017).

    The temperature is applied as `edge` applies it: p^(1/T), renormalised. `probabilities`: (n, classes),
    dequantized from an output with the scale `quantum`.
    """
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        calibrated = calibrate(probabilities, temperature, quantum)
        return float(-np.log(np.maximum(calibrated[rows, labels], _MIN_PROBABILITY)).mean())

    return float(min(_TEMPERATURES, key=loss))


def threshold_for_coverage(probabilities: NDArray[np.float32], coverage: float) -> float:
    """Return the largest threshold, in steps of 0.01, that at least this share of the rows' confidences reaches."""
    confidence = probabilities.max(axis=1)
    return math.floor(100 * float(np.quantile(confidence, 1 - coverage))) / 100


def reliability_bins(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Group predictions (n, classes) with their labels (n,) into bins of equal width by confidence.

    This is the reliability diagram (DeGroot and Fienberg 1983; Guo et al. 2017): for a calibrated model
    each bin's accuracy equals its confidence.
    """
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = []
    for number in range(bins):
        inside = bin_of == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(correct[inside].mean())) if count else (None, None)
        found.append(ReliabilityBin(number / bins, (number + 1) / bins, count, *means))
    return tuple(found)


def expected_calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins of confidence (Naeini et al. 2015)."""
    found = reliability_bins(labels, probabilities, bins)
    gaps = [
        part.images * abs(part.accuracy - part.confidence)
        for part in found
        if part.accuracy is not None and part.confidence is not None
    ]
    return float(sum(gaps) / max(1, len(labels)))


def calibration_error_interval(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15
) -> Interval:
    """Return the 95 % percentile interval of the calibration error over resampled rows (Efron 1979).

    It always contains the measured error. With few rows that error itself is too high: accuracies in bins of a few
    rows miss the confidence by chance.
    """
    measured = expected_calibration_error(labels, probabilities, bins)
    if not len(labels):
        return 0.0, 1.0
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps, rng = correct - confidence.astype(np.float64), np.random.default_rng(_RESAMPLE_SEED)
    errors = np.empty(_RESAMPLES)
    for at in range(_RESAMPLES):
        rows = rng.integers(len(gaps), size=len(gaps))
        errors[at] = np.abs(np.bincount(bin_of[rows], weights=gaps[rows], minlength=bins)).sum() / len(gaps)
    low, high = np.quantile(errors, (0.025, 0.975))
    return min(float(low), measured), max(float(high), measured)


def accuracy_above(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], threshold: float
) -> tuple[float, float | None]:
    """Return the share of rows whose confidence reaches a threshold, and the accuracy on them (None for no rows)."""
    covered = probabilities.max(axis=1) >= threshold
    correct = probabilities.argmax(axis=1) == labels
    return float(covered.mean()), float(correct[covered].mean()) if covered.any() else None


def accuracy_at_coverage(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], coverages: Sequence[float]
) -> tuple[float, ...]:
    """Return the accuracy on the most confident share of the rows, for each share in `coverages` (above 0, to 1).

    This is the risk-coverage curve (El-Yaniv and Wiener 2010), as accuracy. An integer softmax gives many
    rows the same confidence. Where the share ends among such rows, each counts in equal part, which is the
    mean over all their orders. Raises ValueError for a share out of range or for no rows.
    """
    if not len(labels) or not all(0 < coverage <= 1 for coverage in coverages):
        msg = f"coverages must be above 0 and at most 1, of at least one row, not {list(coverages)} of {len(labels)}"
        raise ValueError(msg)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    _, group_of = np.unique(-confidence, return_inverse=True)
    sizes = np.bincount(group_of)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    hits = np.concatenate([[0.0], np.cumsum(np.bincount(group_of, weights=correct))])
    kept = np.asarray(coverages) * len(labels)
    return tuple(float(value) for value in np.interp(kept, ends, hits) / kept)
