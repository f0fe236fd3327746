"""Times of the thread that follows the fleet's documents, and its waits between attempts."""

from dataclasses import dataclass
from typing import Final

REFUSED_PAUSE_SECONDS: Final = 2.0
"""Pause after a document that was refused: whoever may write to the topic must not keep a processor busy with it."""
SETTLED_SECONDS: Final = 60.0
"""Time after which the program has run well enough to forget what was before."""
AGAIN_SECONDS: Final = 60.0
"""Time between two attempts at what only a person can mend: a missing program, a full disk."""
FIRST_WAIT_SECONDS: Final = 10.0
LONGEST_WAIT_SECONDS: Final = 900.0
"""Waits between two attempts to fetch, drawn at random up to a limit that doubles: the fleet must not come at once."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds that are not configurable. `first_wait_seconds`: limit of the wait after a failed fetch."""

    refused_pause_seconds: float = REFUSED_PAUSE_SECONDS
    settled_seconds: float = SETTLED_SECONDS
    again_seconds: float = AGAIN_SECONDS
    first_wait_seconds: float = FIRST_WAIT_SECONDS
