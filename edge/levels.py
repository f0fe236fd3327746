"""Defines the ladder of levels: how much work a frame may cost. Pure data.

`edge.latency` chooses the level, `edge.vision` works at it, and the health payload names it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Level:
    """How much work a frame may cost."""

    name: str
    """Public name, in the log and in health payloads."""

    search_frames: int
    """Number of frames over which one search of the whole frame is spread."""

    scale_factor: float | None = None
    """Ratio between the face sizes of that search; None: `detector.scale_factor` of the configuration."""

    max_faces: int | None = None
    """Faces classified per frame at most, in turn where there are more; None: `model.max_faces` of the configuration.

    A level never raises the configured number.
    """

    look_interval: int = 1
    """By how much a network's looks at frames and lost faces are rarer, where `detector.kind` names one."""


LADDER: Final = (
    Level("full", search_frames=6),
    Level("seldom", search_frames=12, look_interval=2),
    Level("coarse", search_frames=12, scale_factor=1.2, look_interval=3),
    Level("one-face", search_frames=12, scale_factor=1.2, max_faces=1, look_interval=4),
)
"""The levels from the best to the cheapest, in the order in which work is given up.

Each level gives up one thing more than the level above it:
- `seldom`: the whole frame is searched half as often, so a new face is found later;
- `coarse`: the search takes larger steps of size, so a small or turned face is found later, or not;
- `one-face`: one face is classified per frame, so several faces take turns.
Where a network is the detector, each of them makes its looks rarer too.
"""
