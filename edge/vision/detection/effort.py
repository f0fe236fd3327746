"""Decides how much one frame may do: an even share of the search, or all of it where frames are far apart.

The schedule spreads a search over frames, and verification takes one face a frame, so that every frame costs the same.
At 25 frames a second that delays a new face by a quarter of a second; at one frame a second it would delay it by six.
So where frames are far apart, one frame does the work of those that are missing. From 12.5 frames a second on nothing
changes.
"""

from dataclasses import dataclass
from typing import Final

from edge.levels import LADDER, Level

_ANNOUNCED_SECONDS: Final = 0.65
"""A new face is announced within this time at level `full`, or in the third frame where that is later: six frames for
the search and two more verifications at 12.5 frames a second, the slowest rate at which the schedule was tuned."""
_FURTHER_FRAMES: Final = 2
"""Frames between the first verification of a face and the third, which announces it."""
_FAR_SECONDS: Final = 0.1
"""Interval from which one frame may verify several faces."""
_VERIFICATIONS_PER_SECOND: Final = 25
"""Verifications for each second between frames, as many as at 25 frames a second."""
_MAX_VERIFICATIONS: Final = 16
"""Maximum number of verifications in a frame: at 0.7 ms each (x86-64; about 3 ms on a Cortex-A72) they stay below half
of the default latency budget."""
_MAX_REDETECTIONS: Final = 8
"""Tracked faces that are redetected in one frame; where there are more, they take turns."""
_PAUSE_FRAMES: Final = 2
"""Frames between two verifications of a candidate: consecutive frames show nearly the same."""


@dataclass(frozen=True, slots=True)
class FrameEffort:
    """The work of one frame.

    `search_frames`: frames over which a search of the whole frame is spread. `verifications`, `redetections`: how many
    faces are verified and redetected at most. `pause_frames`: frames from a failed verification of a candidate to its
    next one. `extra_seconds`: time since the frame before beyond _FAR_SECONDS, in which a face moves further than the
    search for it was tuned for.
    """

    search_frames: int
    verifications: int
    redetections: int
    pause_frames: int
    extra_seconds: float


def frame_effort(interval_seconds: float | None, level: Level) -> FrameEffort:
    """Return the work for frames that are `interval_seconds` apart, None where that is not known yet.

    A lower level halves it, so that each step down still costs less where frames are far apart.
    """
    interval = interval_seconds or 0.0
    share = max(1, level.search_frames // LADDER[0].search_frames)
    search_frames = level.search_frames
    if interval:
        in_time = int(_ANNOUNCED_SECONDS * share / interval) - _FURTHER_FRAMES
        search_frames = min(search_frames, max(share, in_time))
    if interval < _FAR_SECONDS:
        return FrameEffort(search_frames, 1, _MAX_REDETECTIONS, _PAUSE_FRAMES, 0.0)
    verifications = min(_MAX_VERIFICATIONS, int(_VERIFICATIONS_PER_SECOND * interval)) // share
    return FrameEffort(search_frames, max(1, verifications), 2 * _MAX_REDETECTIONS, 1, interval - _FAR_SECONDS)
