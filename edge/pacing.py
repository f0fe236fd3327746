"""Rates and waits: a token bucket, and a randomised exponential backoff."""

import random
import time
from collections.abc import Callable
from typing import Final

_SHORTEST_SECONDS: Final = 0.1
"""Shortest wait, so that a series of short draws does not flood a peer that is starting."""


class TokenBucket:
    """Admits `burst` calls at once, and `per_second` in the long run. Not thread-safe."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._refilled_at = clock()

    def take(self) -> bool:
        """Take a token; False where none is left."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def seconds_to_next(self) -> float:
        """Return the seconds until a token is there, 0 where one is."""
        self._refill()
        return max(0.0, (1 - self._tokens) / self._per_second)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now


class Backoff:
    """Waits between attempts: their upper limit doubles from `first_seconds` up to `max_seconds`.

    Each wait is drawn uniformly from `least_share` of its limit up to the limit, and is never shorter than a
    tenth of a second. An attempt that lasted for `stable_seconds` succeeded, and the next wait starts small again;
    one that ended sooner did not. Many devices that lose the same peer in the same instant come back spread over the
    range of the draw.
    """

    def __init__(
        self,
        first_seconds: float,
        max_seconds: float,
        *,
        stable_seconds: float,
        least_share: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        self._first_seconds = min(first_seconds, max_seconds)
        self._max_seconds = max_seconds
        self._stable_seconds = stable_seconds
        self._least_share = least_share
        self._rng = rng or random.Random()
        self._limit_seconds = self._first_seconds

    def next_seconds(self) -> float:
        """Return the seconds to wait now; the limit of the next wait doubles."""
        limit = self._limit_seconds
        self._limit_seconds = min(2 * limit, self._max_seconds)
        return max(_SHORTEST_SECONDS, self._rng.uniform(self._least_share * limit, limit))

    def attempt_ended(self, lasted_seconds: float) -> None:
        """Take note of how long the last attempt lasted: one that was stable resets the wait."""
        if lasted_seconds >= self._stable_seconds:
            self._limit_seconds = self._first_seconds
