"""Decides after which silence a live source has stalled: after `source.stall_seconds`, or several of its own intervals.

A camera that gives a frame in ten seconds is not stalled after five. Its interval is measured; before that it is taken
from `source.fps` where that is set. A source that falls silent after the first frames of each opening, again and again,
is given more time with each opening, until it shows its interval. Reads no clock.
"""

from typing import Final

from edge.frame_rate import MIN_FRAMES, FrameRate

STALL_INTERVALS: Final = MIN_FRAMES
"""Intervals of its own that a source may be silent: of a steady source two may be late or lost."""
_STEADY_INTERVALS: Final = 2
"""Intervals from which a rate counts as shown: a single one may be a hang that mended itself."""
_MAX_PATIENCE_SECONDS: Final = 60.0
"""Longest time that a source is given to show its interval; for a slower one `source.fps` or `stall_seconds` is set.
A camera that hangs after its first frames each time is found again after a minute, and not after `stall_seconds`."""
_FIRST_FRAMES: Final = 3
"""Frames at the beginning of an opening that show no interval: some cameras send what they have buffered at once."""
_SILENT_SHARE: Final = 0.8
"""Share of the limit from which a loss counts as a silence: sources that time their own reads end just before it."""


class StallLimit:
    """Holds the limit in force for one live source, over all its openings. Not thread-safe."""

    def __init__(self, stall_seconds: float, fps: float = 0.0) -> None:
        """`stall_seconds`: as configured. `fps`: frames per second requested of the source, 0 where none are."""
        self._configured_seconds = stall_seconds
        self._requested_interval = 1 / fps if fps else 0.0
        self._patience_seconds = 0.0
        self._rate = FrameRate()
        self._frames = 0
        self._last_seconds = 0.0

    def opened(self) -> None:
        """Record that the source was opened: the time since the frame before is no interval."""
        self._frames = 0
        self._rate.interrupt()

    def record_frame(self, now: float) -> None:
        """Record a frame at `now`, seconds on a monotonic clock."""
        self._frames += 1
        self._last_seconds = now
        self._rate.record(now)
        if self._frames > _FIRST_FRAMES:
            self._patience_seconds = 0.0

    def ended(self, now: float) -> None:
        """Record that the opening ended as stalled or lost.

        Where it fell silent after its first frames, and its interval is not known to be long, the next one is given
        more time. One without any frame teaches nothing.
        """
        silent = now - self._last_seconds >= _SILENT_SHARE * self.seconds
        if silent and 0 < self._frames <= _FIRST_FRAMES and self._own_seconds <= self._configured_seconds:
            self._patience_seconds = min(2 * self.seconds, _MAX_PATIENCE_SECONDS)

    @property
    def seconds(self) -> float:
        """Longest time without a frame now."""
        return max(self._configured_seconds, self._own_seconds, self._patience_seconds)

    @property
    def _own_seconds(self) -> float:
        interval = self._rate.interval_seconds
        if interval is None or self._rate.intervals < _STEADY_INTERVALS:
            interval = self._requested_interval
        return STALL_INTERVALS * interval

    @property
    def fps(self) -> float | None:
        """Frames per second of the source as measured; None before two frames of one opening."""
        return self._rate.fps
