"""The ladder that the budget climbs: what each level leaves undone. Pure data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Level:
    """How much work a frame may cost.

    `search_frames`: frames over which one search of the whole picture is spread. `scale_factor`: step
    between the sizes of that search; None takes the configured one. `max_faces`: faces read by the
    network per frame, in turn where there are more; None takes the configured number.
    """

    name: str
    search_frames: int
    scale_factor: float | None = None
    max_faces: int | None = None


LADDER: Final = (
    Level("full", 6),
    Level("seldom", 12),
    Level("coarse", 12, 1.2),
    Level("one-face", 12, 1.2, 1),
)
"""From the best to the cheapest, in the order in which work is given up: how often the whole picture is
searched, then how finely, then how many faces are read per frame."""
