"""Decides which lines about an outage of a broker or a camera are logged, and how often. Reads no clock.

An outage takes one line when it begins, one per further reason, one an hour while it lasts, and one when it ends. A
peer that comes and goes all night takes a line an hour as well, so that the log of a night can be read in the morning.
"""

import enum
from collections import deque
from typing import Final

REMIND_SECONDS: Final = 3600.0
"""Interval between two reminders that an outage lasts, and the period for which a log quota holds."""
_MAX_REASONS: Final = 3
"""Reasons logged per outage: a network that breaks down does so in steps, and some reasons hold a changing number."""
_UNSTEADY_OUTAGES: Final = 4
"""Number of outages begun within REMIND_SECONDS that makes the peer unsteady; the last one is logged as such."""
_STEADY_SECONDS: Final = 600.0
"""Time for which an unsteady peer must stay available until its outage counts as over."""

_MAX_SENTENCES: Final = 32
"""Different sentences that LogDeduplicator passes within REMIND_SECONDS: some sentences hold a changing value."""


class OutageNotice(enum.Enum):
    """Kind of a log line about an outage."""

    GONE = enum.auto()
    """The outage has begun."""
    REASON = enum.auto()
    """The outage lasts, and an attempt has failed for a reason not logged yet."""
    STILL = enum.auto()
    """The outage has lasted for REMIND_SECONDS since the last such line."""
    UNSTEADY = enum.auto()
    """An outage has begun, one of many; further ones are not logged until the peer is steady again."""
    BACK = enum.auto()
    """The outage is over."""


class OutageLog:
    """Decides for each failure and each success of one peer which notice is logged, if any.

    `now` of all calls is in seconds on one clock that does not go backwards.
    """

    def __init__(self, remind_seconds: float = REMIND_SECONDS) -> None:
        self._remind_seconds = remind_seconds
        self._outage_starts: deque[float] = deque()  # within REMIND_SECONDS before the last one
        self._is_away = False  # according to the log
        self._is_unsteady = False
        self._reasons: set[str] = set()
        self._reminded_at = 0.0
        self._available_since: float | None = None
        self.seconds = 0.0
        """How long the present outage, or the last one, has lasted."""

    @property
    def logged(self) -> bool:
        """Whether the log has a line about an outage that it has not ended yet."""
        return self._is_away

    def failed(self, reason: str, now: float) -> OutageNotice | None:
        """Record that the peer is away, or that another attempt failed; return the notice to log, if any."""
        self._available_since = None
        if not self._is_away:
            return self._begin(reason, now)
        self.seconds = now - self._outage_starts[-1]
        if reason not in self._reasons and len(self._reasons) < _MAX_REASONS:
            self._reasons.add(reason)
            return OutageNotice.REASON
        if now - self._reminded_at >= self._remind_seconds:
            self._reminded_at = now
            return OutageNotice.STILL
        return None

    def available(self, now: float) -> OutageNotice | None:
        """Record that the peer is available; return the notice to log, if any.

        Called often while the peer is available: the first call after a failure marks the end of the outage.
        """
        if not self._is_away:
            return None
        if self._available_since is None:
            self._available_since = now
            self.seconds = now - self._outage_starts[-1]
        if self._is_unsteady and now - self._available_since < _STEADY_SECONDS:
            return None
        self._is_away = False
        return OutageNotice.BACK

    def _begin(self, reason: str, now: float) -> OutageNotice:
        while self._outage_starts and now - self._outage_starts[0] >= REMIND_SECONDS:
            self._outage_starts.popleft()
        self._outage_starts.append(now)
        self._is_away, self._reminded_at, self._reasons, self.seconds = True, now, {reason}, 0.0
        self._is_unsteady = len(self._outage_starts) >= _UNSTEADY_OUTAGES
        return OutageNotice.UNSTEADY if self._is_unsteady else OutageNotice.GONE


class LogQuota:
    """Limits the log lines about changes that may recur without end: `max_lines` per REMIND_SECONDS."""

    def __init__(self, max_lines: int) -> None:
        self._max_lines = max_lines
        self._left = 0
        self._period_start = float("-inf")

    def left(self, now: float) -> int:
        """Take a line from the quota. Return how many were left with it; 0: do not log it."""
        if now - self._period_start >= REMIND_SECONDS:
            self._period_start, self._left = now, self._max_lines
        left = self._left
        self._left = max(0, left - 1)
        return left


class LogDeduplicator:
    """Passes each sentence once per REMIND_SECONDS."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    def new(self, sentence: str, now: float) -> bool:
        """Return whether to log `sentence` now, and record that it was logged if so."""
        self._logged_at = {
            logged: moment for logged, moment in self._logged_at.items() if now - moment < REMIND_SECONDS
        }
        if sentence in self._logged_at or len(self._logged_at) >= _MAX_SENTENCES:
            return False
        self._logged_at[sentence] = now
        return True


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it: 40 s, 12 min, 7.5 h."""
    if seconds < 100:  # noqa: PLR2004 - up to here seconds are easy to grasp
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - likewise
