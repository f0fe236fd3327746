"""The other way of smoothing that was tried; `edge.events` keeps the simpler one."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.config import EventsConfig
from edge.events import Expression


class GeometricExpression(Expression):
    """Averages the probabilities' logarithms, so that readings that are sure weigh more."""

    def __init__(self, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> None:
        """As `Expression`."""
        super().__init__(labels, config, unknown_below)
        self._logits: NDArray[np.float32] | None = None

    def read(self, probabilities: NDArray[np.float32], seconds: float) -> None:
        """Take a reading, float32 (labels,) without zeros, at a frame's time."""
        logits = np.log(probabilities)
        if self._logits is not None and self._config.smoothing_seconds > 0:
            weight = 1 - math.exp(-(seconds - self._seconds) / self._config.smoothing_seconds)
            logits = self._logits + np.float32(weight) * (logits - self._logits)
        self._logits, self._seconds = logits, seconds
        powers = np.exp(logits - logits.max())
        self._probabilities = np.asarray(powers / powers.sum(), dtype=np.float32)
