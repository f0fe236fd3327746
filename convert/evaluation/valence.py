"""Compares the valence that a model gives faces with the valence of the ten votes of FER+.

Both are means of the same weights (`edge.messages.valence`), so the comparison says how well the model weighs the
expressions against each other, and nothing about the weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS, Split
from convert.metrics import Z_95, Interval
from edge.messages.valence import default_weight

FERPLUS_VOTES: Final = "FER+ votes"
_LEAST_FOR_AN_INTERVAL: Final = 4
"""Fisher's standard error is 1 / sqrt(n - 3)."""


@dataclass(frozen=True)
class ValenceResult:
    """How the valence of one form, run by `runtime`, follows that of the votes of `dataset`.

    `correlation`: Pearson's; None where one of the two is the same for all images. `interval`: of 95 %, by Fisher's
    transformation. `mean_absolute_error`: on the scale of -1 to 1.
    """

    dataset: str
    runtime: str
    images: int
    correlation: float | None
    interval: Interval | None
    mean_absolute_error: float


def valence_of(shares: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the valence, float64 (n,), of shares of the labels of FER2013, (n, 7), by the default weights."""
    weights = [default_weight(label) for label in LABELS]
    return np.asarray(shares, dtype=np.float64) @ np.asarray(weights, dtype=np.float64)


def measure_valence(split: Split, calibrated: NDArray[np.float32], runtime: str) -> ValenceResult:
    """Compare calibrated probabilities (n, 7) with the votes, where one of the seven emotions leads them.

    Those are the images that count for FER+ accuracy. Votes for contempt, "unknown" and "not a face" are left out.
    """
    led = split.leader >= 0
    votes, model = valence_of(split.votes[led]), valence_of(calibrated[led])
    correlation = pearson(votes, model)
    return ValenceResult(
        dataset=FERPLUS_VOTES,
        runtime=runtime,
        images=len(votes),
        correlation=correlation,
        interval=None if correlation is None else fisher_interval(correlation, len(votes)),
        mean_absolute_error=float(np.abs(votes - model).mean()) if len(votes) else 0.0,
    )


def pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Return Pearson's correlation of two variables, (n,) each; None where one of them does not vary."""
    if len(first) < 2 or not np.ptp(first) or not np.ptp(second):  # noqa: PLR2004 - one point has no slope
        return None
    return float(np.corrcoef(first, second)[0, 1])


def fisher_interval(correlation: float, count: int) -> Interval | None:
    """Return the 95 % interval of a correlation of `count` pairs (Fisher 1921); None for fewer than four."""
    if count < _LEAST_FOR_AN_INTERVAL:
        return None
    # A correlation of exactly 1 or -1 has no transform, and no spread either.
    centre = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, correlation)))
    half = Z_95 / math.sqrt(count - 3)
    return math.tanh(centre - half), math.tanh(centre + half)


def valence_lines(results: Sequence[ValenceResult]) -> list[str]:
    """Return the results as lines of text; none for no results."""
    return [
        f"valence against that of the votes, {one.runtime}, {one.dataset} ({one.images}): {valence_sentence(one)}"
        for one in results
    ]


def valence_sentence(result: ValenceResult) -> str:
    """Return correlation and mean absolute error in words."""
    error = f"mean absolute error {result.mean_absolute_error:.3f}"
    if result.correlation is None:
        return f"no correlation, because it is the same for all images; {error}"
    limits = "" if result.interval is None else f" (95 % interval {result.interval[0]:.3f} to {result.interval[1]:.3f})"
    return f"correlation {result.correlation:.3f}{limits}; {error}"
