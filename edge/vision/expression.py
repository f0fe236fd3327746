"""Decides what a face shows and when that has changed. Reads no clock."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.config.schema import EventsConfig
from edge.types import UNKNOWN


class ExpressionFilter:
    """What one face shows: probabilities smoothed over time, and a label that does not flicker.

    The label changes only after another has led it by `margin` for `dwell_seconds` without a break, so
    that two changes, or the first label and a change, are at least `dwell_seconds` apart. Only readings
    count: while a face is not found, time does not speak for whatever was read last. Where the best
    smoothed probability is below `unknown_below`, the candidate is `unknown`.
    """

    def __init__(self, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> None:
        """`unknown_below`: the manifest's threshold, which `config.unknown_below` overrides."""
        self._labels = tuple(labels)
        self._config = config
        self._manifest_unknown_below = unknown_below
        self._probabilities: NDArray[np.float32] | None = None
        self._seconds = 0.0
        self._candidate: str | None = None
        self._since = 0.0
        self.label = UNKNOWN
        self.reading: NDArray[np.float32] | None = None
        """The last one, float32 (labels,), as it came."""

    def configure(self, config: EventsConfig) -> None:
        """Decide by other rules from the next reading on."""
        self._config = config

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Smoothed, float32 (labels,); uniform before the first reading."""
        if self._probabilities is None:
            return np.full(len(self._labels), 1 / len(self._labels), dtype=np.float32)
        return self._probabilities

    @property
    def confidence(self) -> float:
        """Smoothed probability of the label, or of the best one where it is unknown."""
        if self.label == UNKNOWN:
            return float(self.probabilities.max())
        return float(self.probabilities[self._labels.index(self.label)])

    @property
    def in_doubt(self) -> bool:
        """Whether another label leads, though not for long enough yet."""
        return self._candidate is not None

    def read(self, probabilities: NDArray[np.float32], seconds: float) -> None:
        """Take a reading, float32 (labels,), at a frame's time."""
        self.reading = probabilities
        if self._probabilities is None or self._config.smoothing_seconds == 0:
            self._probabilities = probabilities
        else:
            weight = 1 - math.exp(-(seconds - self._seconds) / self._config.smoothing_seconds)
            mixed = self._probabilities + weight * (probabilities - self._probabilities)
            self._probabilities = mixed.astype(np.float32)
        self._seconds = seconds

    def settle(self) -> None:
        """Take the label that leads now, without waiting: for a face that is about to be announced."""
        self.label = self._leader()
        self._candidate = None

    def decide(self) -> str | None:
        """Return the label given up where the last reading has changed it, else None."""
        leader = self._leader()
        if leader == self.label or not self._leads(leader):
            self._candidate = None
            return None
        if leader != self._candidate:
            self._candidate, self._since = leader, self._seconds
        if self._seconds - self._since < self._config.dwell_seconds:
            return None
        previous, self.label, self._candidate = self.label, leader, None
        return previous

    def _leader(self) -> str:
        best = int(self.probabilities.argmax())
        limit = self._config.unknown_below
        if limit is None:
            limit = self._manifest_unknown_below
        return self._labels[best] if self.probabilities[best] >= limit else UNKNOWN

    def _leads(self, leader: str) -> bool:
        """Tell whether the leader is ahead of the label by the margin; unknown has nothing to be ahead of."""
        if UNKNOWN in (leader, self.label):
            return True
        ahead = self.probabilities[self._labels.index(leader)] - self.probabilities[self._labels.index(self.label)]
        return bool(ahead >= self._config.margin)
