"""Counts what the line does between two health messages."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from edge.messages.payloads import LatencyPercentiles

_DECIMALS: Final = 2
RECENT_SECONDS: Final = 1.0
"""Asked for more often, health would speak of ever fewer frames."""

FrameReport = tuple[float, LatencyPercentiles | None, dict[str, float]]
"""Frames per second, latency percentiles, and the median time of each stage, milliseconds."""


def percentiles(latencies_ms: Sequence[float]) -> LatencyPercentiles | None:
    """Sum latencies up, in milliseconds; None where there are none."""
    if not latencies_ms:
        return None
    p50, p95, p99 = (round(float(value), _DECIMALS) for value in np.percentile(latencies_ms, (50, 95, 99)))
    return LatencyPercentiles(p50=p50, p95=p95, p99=p99, max=round(max(latencies_ms), _DECIMALS))


def median_ms(spent_ms: Sequence[float]) -> float:
    """Return the median of the times of a stage, as reports give it."""
    return round(float(np.median(spent_ms)), _DECIMALS)


class FrameStats:
    """Frames, latencies and stage times since the last report."""

    def __init__(self, now_monotonic: float) -> None:
        self.frames = 0
        self._began = now_monotonic
        self._latency_ms: list[float] = []
        self._stage_ms: dict[str, list[float]] = {}
        self._last: FrameReport | None = None

    def frame(self, latency_ms: float, stage_ms: dict[str, float]) -> None:
        """Count one processed frame."""
        self.frames += 1
        self._latency_ms.append(latency_ms)
        for stage, spent in stage_ms.items():
            self._stage_ms.setdefault(stage, []).append(spent)

    def report(self, now_monotonic: float) -> FrameReport:
        """Sum up, and start over. The last report again where no frame has come in the moment since.

        Two things may be told at once, such as the end of a source and of the sensor, and who hears only the
        second shall not miss how it was.
        """
        if not self._latency_ms and self._last is not None and now_monotonic - self._began < RECENT_SECONDS:
            return self._last
        elapsed = max(now_monotonic - self._began, 1e-6)
        fps = len(self._latency_ms) / elapsed
        latency = percentiles(self._latency_ms)
        stages = {stage: median_ms(spent) for stage, spent in self._stage_ms.items()}
        self._began, self._latency_ms, self._stage_ms = now_monotonic, [], {}
        self._last = round(fps, _DECIMALS), latency, stages
        return self._last
