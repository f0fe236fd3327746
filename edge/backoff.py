"""How long to wait before the next try to connect."""

import random
from typing import Final

_FIRST_SECONDS: Final = 5.0
"""Cap of the first wait. A broker that restarts is back within a second, and the waits of its whole fleet end
within this time: of 200 sensors at most 60 to 70 come in any one second, where with a second they all would."""

_SHORTEST_SECONDS: Final = 0.1
"""Floor of every wait, so that a lucky series of draws does not hammer a broker that is starting."""

_STABLE_SECONDS: Final = 10.0
"""A connection that lived this long was a good one, and the next loss starts small again. A shorter
one did not: a broker that accepts and then throws us out (two devices with one id, say) must not be
asked every second."""


class Backoff:
    """Waits that double their cap up to `max_seconds` and are drawn uniformly below it.

    The draw over the whole range, rather than a little noise on a fixed delay, is what spreads a fleet
    that lost its broker in the same instant.
    """

    def __init__(self, max_seconds: float, rng: random.Random | None = None) -> None:
        self._max_seconds = max_seconds
        self._rng = rng or random.Random()
        self._cap = min(_FIRST_SECONDS, max_seconds)

    def next_seconds(self) -> float:
        """Seconds to wait now."""
        cap = self._cap
        self._cap = min(cap * 2, self._max_seconds)
        return max(_SHORTEST_SECONDS, self._rng.uniform(0, cap))

    def connection_ended(self, lived_seconds: float) -> None:
        """Take note of how long the last connection lived."""
        if lived_seconds >= _STABLE_SECONDS:
            self._cap = min(_FIRST_SECONDS, self._max_seconds)
