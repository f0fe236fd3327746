"""Measures the rate of a source from the times of its frames. Reads no clock: each time is a parameter.

A constant in seconds that decides something was chosen at 12 to 30 frames a second, where it covers many frames. At
one frame in ten seconds it covers none, so each such rule also holds for a number of frames (docs/design.md has the
table).
"""

from collections import deque
from typing import Final

MIN_FRAMES: Final = 3
"""Number of frames on which a face is announced at the earliest, and whose lack makes it leave: one frame may be a
phantom or a miss, and of two in a row one is wrong too often (a frontal cascade misses a face that turns in one frame
of five)."""
_INTERVALS: Final = 5
"""Number of intervals whose median counts: two late frames in a row do not change it, three do."""


class FrameRate:
    """Measures the interval between frames as the median of the latest ones."""

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._last_seconds: float | None = None
        self._median: float | None = None

    def record(self, seconds: float) -> None:
        """Record the time of a frame. Times must not go backwards between two calls of `interrupt`."""
        if self._last_seconds is not None:
            self._intervals.append(seconds - self._last_seconds)
            self._median = sorted(self._intervals)[len(self._intervals) // 2]
        self._last_seconds = seconds

    def interrupt(self) -> None:
        """Record that the time up to the next frame says nothing: the source is opened again, or was paused."""
        self._last_seconds = None

    @property
    def intervals(self) -> int:
        """Number of intervals that the median rests on, at most the latest five."""
        return len(self._intervals)

    @property
    def interval_seconds(self) -> float | None:
        """Median interval between the latest frames, seconds; None before the second frame."""
        return self._median

    @property
    def fps(self) -> float | None:
        """Frames per second; None before the second frame, and where all frames have the same time."""
        return 1 / self._median if self._median else None
