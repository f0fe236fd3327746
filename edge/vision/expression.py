"""Filters the expression of one face over time: smoothed probabilities, and a label that does not flicker.

Reads no clock: time is the time of the frames.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.config.schema import EventsConfig
from edge.types import UNKNOWN


def best_label(probabilities: NDArray[np.float32], labels: Sequence[str], unknown_below: float) -> str:
    """Return the most probable label, or `unknown` where its probability is below the threshold."""
    best = int(probabilities.argmax())
    return labels[best] if probabilities[best] >= unknown_below else UNKNOWN


def unknown_threshold(config: EventsConfig, manifest_threshold: float) -> float:
    """Return the threshold for `unknown`: the configured one, else the manifest's."""
    return manifest_threshold if config.unknown_below is None else config.unknown_below


class ExpressionFilter:
    """Smooths the predictions for one face, and decides when its label changes.

    The label changes after another label has led it by `margin` for `dwell_seconds` without a break. So two
    changes, or the first label and a change, are at least `dwell_seconds` apart. Only predictions count: while
    a face is not found, the time since the last prediction proves nothing. Where the best smoothed
    probability is below `unknown_below`, and before the first prediction, the leading label is `unknown`.

    The label and its confidence belong together: both are of the last reading in which the label led. What the
    last reading itself says is `leader` and `probabilities`.
    """

    def __init__(self, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> None:
        """Create a filter without predictions, labelled `unknown`.

        `labels`: in output order. `unknown_below`: threshold of the manifest, which `config.unknown_below`
        overrides.
        """
        self._labels = tuple(labels)
        self._config = config
        self._manifest_threshold = unknown_below
        self._probabilities: NDArray[np.float32] | None = None
        self._seconds = 0.0
        self._candidate: str | None = None
        self._candidate_since = 0.0
        self.label = UNKNOWN
        """The current label."""
        self.confidence = 1 / len(self._labels)
        """Highest smoothed probability when the label last led: that of the label, or for `unknown` of the best one."""
        self.prediction: NDArray[np.float32] | None = None
        """The last prediction, float32 (labels,), not smoothed."""

    def configure(self, config: EventsConfig) -> None:
        """Apply another configuration from the next prediction on."""
        self._config = config

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Smoothed probabilities, float32 (labels,); uniform before the first prediction."""
        if self._probabilities is None:
            return np.full(len(self._labels), 1 / len(self._labels), dtype=np.float32)
        return self._probabilities

    @property
    def leader(self) -> str | None:
        """The label with the highest smoothed probability, whatever the threshold; None before the first prediction."""
        return None if self._probabilities is None else self._labels[int(self._probabilities.argmax())]

    @property
    def change_pending(self) -> bool:
        """Whether another label leads, but not for `dwell_seconds` yet."""
        return self._candidate is not None

    def add_prediction(self, probabilities: NDArray[np.float32], seconds: float) -> None:
        """Smooth a prediction, float32 (labels,), into the probabilities; `seconds`: time of the frame.

        First-order low-pass filter with the time constant `smoothing_seconds`.
        """
        self.prediction = probabilities
        if self._probabilities is None or self._config.smoothing_seconds == 0:
            self._probabilities = probabilities
        else:
            weight = 1 - math.exp(-(seconds - self._seconds) / self._config.smoothing_seconds)
            mixed = self._probabilities + weight * (probabilities - self._probabilities)
            self._probabilities = mixed.astype(np.float32)
        self._seconds = seconds

    def initialise(self) -> None:
        """Set the label to the leading one at once, for a face that is about to be announced."""
        self._hold(self._leading_label())

    def update(self) -> str | None:
        """Apply the last prediction to the label; returns the previous label where it changed, else None."""
        leading = self._leading_label()
        if leading == self.label:
            self._hold(leading)
            return None
        if not self._is_ahead(leading):
            self._candidate = None
            return None
        if leading != self._candidate:
            self._candidate, self._candidate_since = leading, self._seconds
        if self._seconds - self._candidate_since < self._config.dwell_seconds:
            return None
        previous = self.label
        self._hold(leading)
        return previous

    def _hold(self, leading: str) -> None:
        """Set the label to the leading one, with the confidence that it leads with."""
        self.label = leading
        self.confidence = float(self.probabilities.max())
        self._candidate = None

    def _leading_label(self) -> str:
        if self._probabilities is None:
            return UNKNOWN  # equal probabilities are no reading, however low the threshold
        threshold = unknown_threshold(self._config, self._manifest_threshold)
        return best_label(self.probabilities, self._labels, threshold)

    def _is_ahead(self, leading: str) -> bool:
        """Return whether the leading label is ahead of the label by the margin; `unknown` needs no margin."""
        if UNKNOWN in (leading, self.label):
            return True
        ahead = self.probabilities[self._labels.index(leading)] - self.probabilities[self._labels.index(self.label)]
        return bool(ahead >= self._config.margin)
