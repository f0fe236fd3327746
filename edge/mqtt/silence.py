"""Says that the broker is away, without saying it again and again."""

import logging
import time
from collections.abc import Callable
from typing import Final

_LOG: Final = logging.getLogger(__name__)

_REMIND_SECONDS: Final = 3600.0
"""How often the log says that the broker is still away."""


class Silence:
    """One line when the broker went, one with each news of why, one an hour. `waiting` counts the events meanwhile."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._reason: str | None = None  # as already logged
        self._said_monotonic = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it was said that the broker is away, and not `broken` since."""
        return self._reason is not None

    def report(self, reason: str, *, news: bool) -> None:
        """There is no connection because of `reason`, which is told again where it is `news`."""
        now = time.monotonic()
        if self._reason is None or (news and reason != self._reason):
            self._reason = reason
            self._said_monotonic = now
            _LOG.warning("%s; events wait here meanwhile", reason)
        elif now - self._said_monotonic >= _REMIND_SECONDS:
            self._said_monotonic = now
            _LOG.warning("still no broker: %s; %d event(s) wait", reason, self._waiting())

    def broken(self) -> None:
        """There is a connection."""
        self._reason = None
