"""Limits rates with a token bucket, and spaces attempts with a randomised exponential backoff."""

import random
import time
from collections.abc import Callable
from typing import Final

_SHORTEST_SECONDS: Final = 0.1
"""Shortest wait of a backoff: a series of short draws would flood a peer that is starting."""


class TokenBucket:
    """Admits `burst` calls at once, and `per_second` calls on average. Not thread-safe."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._refilled_at = clock()

    def take(self) -> bool:
        """Take a token. Return False where none is left."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def seconds_to_next(self) -> float:
        """Return the seconds until the next token, 0 where there is one."""
        self._refill()
        return max(0.0, (1 - self._tokens) / self._per_second)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now


class Backoff:
    """Computes the waits between attempts: their upper limit doubles from `first_seconds` up to `max_seconds`.

    Each wait is drawn uniformly between `least_share` of its limit and the limit, and is never shorter than a tenth of
    a second. An attempt that lasted for `stable_seconds` counts as a success and resets the limit. The draw spreads
    the attempts of many devices that lost the same peer at the same moment.
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
        """Return the seconds to wait now, and double the limit of the next wait."""
        limit = self._limit_seconds
        self._limit_seconds = min(2 * limit, self._max_seconds)
        return max(_SHORTEST_SECONDS, self._rng.uniform(self._least_share * limit, limit))

    def attempt_ended(self, lasted_seconds: float) -> None:
        """Record how long the last attempt lasted, in seconds; a stable one resets the limit."""
        if lasted_seconds >= self._stable_seconds:
            self._limit_seconds = self._first_seconds
