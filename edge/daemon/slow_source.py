"""Says what a slow source does to the configured times, for the log and for `doctor`.

Every time limit also holds in frames (docs/design.md), so that a slow source works; but then the number of frames
decides, and not what is configured. Reads no clock.
"""

import logging
from typing import Final

from edge.capture.stall import STALL_INTERVALS
from edge.config.schema import Config
from edge.frame_rate import MIN_FRAMES
from edge.latency.budget import WINDOW_FRAMES, WINDOW_SECONDS
from edge.logs.outage import LogQuota

log = logging.getLogger(__name__)

_TOLERANCE: Final = 1.1
"""Ratio from which a time counts as longer than another: the interval between frames is measured, and varies."""
_PROMPT_SECONDS: Final = 1.0
"""Time to the announcement of a face from which it is named: below, few people notice."""
_FRAMES: Final = 3
"""Frames in a row on which the source must be too slow before that is logged: the first intervals are uneven."""
_MAX_LINES: Final = 2
"""Maximum number of log lines an hour: the rate of a camera over weak Wi-Fi comes and goes."""


def slow_source_effects(config: Config, fps: float, *, live: bool) -> list[str]:
    """Return a clause for each configured time that `fps` frames per second are too few for; none for most sources.

    `live`: the source is a camera.
    """
    interval = 1 / fps
    tracker, events, source = config.tracker, config.events, config.source
    effects = []
    if (MIN_FRAMES - 1) * interval > _TOLERANCE * max(tracker.confirm_seconds, _PROMPT_SECONDS):
        appear_seconds = (tracker.confirm_hits - 1) * interval
        effects.append(
            f"a face is announced after {_seconds(appear_seconds)} at the earliest (tracker.confirm_hits = "
            f"{tracker.confirm_hits})"
        )
    lost_seconds = MIN_FRAMES * interval
    if lost_seconds > _TOLERANCE * tracker.lost_seconds:
        effects.append(
            f"a face leaves after {_seconds(lost_seconds)}, {MIN_FRAMES} frames without it (tracker.lost_seconds = "
            f"{tracker.lost_seconds:g} is shorter)"
        )
    if interval > _TOLERANCE * events.dwell_seconds > 0:
        effects.append(
            f"a changed expression is announced {_seconds(interval)} after it was first read (events.dwell_seconds = "
            f"{events.dwell_seconds:g} is shorter)"
        )
    stall_seconds = STALL_INTERVALS * interval
    if live and stall_seconds > _TOLERANCE * source.stall_seconds:
        effects.append(
            f"the camera counts as stalled after {_seconds(stall_seconds)} (source.stall_seconds = "
            f"{source.stall_seconds:g} is shorter)"
        )
    if live and WINDOW_FRAMES * interval > _TOLERANCE * WINDOW_SECONDS:
        effects.append(f"budget.latency_ms is judged by {WINDOW_FRAMES} frames, {_seconds(WINDOW_FRAMES * interval)}")
    return effects


def slow_source_sentence(fps: float, effects: list[str], *, measured: bool = True) -> str:
    """Return the sentence for `effects`, which are not empty, without a full stop.

    `measured`: whether `fps` is the rate; else it is the upper limit of the rate.
    """
    rate = f"{fps:.2g}" if measured else f"at most {fps:.2g}"
    return (
        f"the source gives {rate} frames per second, too few for the times that are configured: {'; '.join(effects)}. "
        "A higher rate of the source makes events quicker"
    )


class SlowSourceLog:
    """Logs once that the source is too slow, and again within the hour only if it was quick enough in between."""

    def __init__(self) -> None:
        self._frames = 0
        self._quota = LogQuota(_MAX_LINES)

    def check(self, config: Config, fps: float | None, now: float, *, live: bool) -> None:
        """Check the rate at a frame; `now`: seconds on a monotonic clock."""
        effects = [] if fps is None else slow_source_effects(config, fps, live=live)
        self._frames = self._frames + 1 if effects else 0
        if fps is not None and self._frames == _FRAMES and self._quota.left(now):
            log.warning("%s", slow_source_sentence(fps, effects))


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"  # noqa: PLR2004 - two digits are enough
