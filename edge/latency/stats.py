"""Collects frame rate, latencies and stage times of the pipeline between two health messages."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from edge.messages.payloads import LatencyPercentiles

_DECIMALS: Final = 2
RECENT_SECONDS: Final = 1.0
"""Age up to which a report is repeated: more frequent reports would cover ever fewer frames."""

FrameReport = tuple[float, LatencyPercentiles | None, dict[str, float]]
"""Frames per second, latency percentiles, and the median time of each stage, in milliseconds."""


def percentiles(latencies_ms: Sequence[float]) -> LatencyPercentiles | None:
    """Return the percentiles of latencies, in milliseconds; None where there are none."""
    if not latencies_ms:
        return None
    p50, p95, p99 = (round(float(value), _DECIMALS) for value in np.percentile(latencies_ms, (50, 95, 99)))
    return LatencyPercentiles(p50=p50, p95=p95, p99=p99, max=round(max(latencies_ms), _DECIMALS))


def median_ms(spent_ms: Sequence[float]) -> float:
    """Return the median of the times of a stage, in milliseconds, rounded as in reports."""
    return round(float(np.median(spent_ms)), _DECIMALS)


class FrameStats:
    """Collects the latencies and stage times of the frames since the last report; `frames` counts all frames."""

    def __init__(self, now_monotonic: float) -> None:
        self.frames = 0
        self._began = now_monotonic
        self._latency_ms: list[float] = []
        self._stage_ms: dict[str, list[float]] = {}
        self._last_report: FrameReport | None = None

    def frame(self, latency_ms: float, stage_ms: dict[str, float]) -> None:
        """Record the latency and the stage times of a processed frame, in milliseconds."""
        self.frames += 1
        self._latency_ms.append(latency_ms)
        for stage, spent_ms in stage_ms.items():
            self._stage_ms.setdefault(stage, []).append(spent_ms)

    def report(self, now_monotonic: float) -> FrameReport:
        """Report on the frames since the last report, and start over.

        Without a frame within RECENT_SECONDS it returns the last report again: health may be published twice at once,
        as at the end of a source and of the sensor, and both messages must hold the figures.
        """
        if not self._latency_ms and self._last_report is not None and now_monotonic - self._began < RECENT_SECONDS:
            return self._last_report
        elapsed = max(now_monotonic - self._began, 1e-6)
        fps = len(self._latency_ms) / elapsed
        latency = percentiles(self._latency_ms)
        stages = {stage: median_ms(spent_ms) for stage, spent_ms in self._stage_ms.items()}
        self._began, self._latency_ms, self._stage_ms = now_monotonic, [], {}
        self._last_report = round(fps, _DECIMALS), latency, stages
        return self._last_report
