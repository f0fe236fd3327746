"""How quickly a backlog leaves."""

import time
from collections.abc import Callable


class Pacer:
    """Lets `burst` through at once, and from then on `per_second`.

    The window of a connection bounds what a broker has in hand, this what it gets: a fleet that comes
    back after a night must leave the broker time for everybody else.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted = clock()

    def take(self) -> bool:
        """Whether one may go now; counts it if so."""
        self._count()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def seconds_to_next(self) -> float:
        """How long until one may go."""
        self._count()
        return max(0.0, (1 - self._tokens) / self._per_second)

    def _count(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._counted) * self._per_second)
        self._counted = now
