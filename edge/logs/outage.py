"""What the log says of something that is away, a broker or a camera, so that a night of it can be read in the morning.

One line when it went, each further reason once, one line an hour, one when it is back. What comes and goes all
night is a line an hour as well. Reads no clock.
"""

import enum
from collections import deque
from typing import Final

REMIND_SECONDS: Final = 3600.0
"""How often it is said that it is still away."""
_MOST_REASONS: Final = 3
"""Told per absence: a network that breaks down does so in steps, and some reasons hold a number that changes."""
_MANY: Final = 4
"""So many absences that began within REMIND_SECONDS make it unsteady: the last of them is said to be so, ..."""
_STEADY_SECONDS: Final = 600.0
"""... and it counts as back once it has stayed for this long."""

_MOST_SENTENCES: Final = 32
"""New ones within REMIND_SECONDS, for those that hold something that changes."""


class OutageNotice(enum.Enum):
    """Something to say."""

    GONE = enum.auto()
    REASON = enum.auto()
    STILL = enum.auto()
    UNSTEADY = enum.auto()
    BACK = enum.auto()


class OutageLog:
    """Tell it each failure and each sign of life, on one clock that does not go backwards; most need no word."""

    def __init__(self, remind_seconds: float = REMIND_SECONDS) -> None:
        self._remind_seconds = remind_seconds
        self._began: deque[float] = deque()  # of late
        self._away = False  # as the log has it
        self._unsteady = False
        self._reasons: set[str] = set()
        self._said = 0.0
        self._there_since: float | None = None
        self.seconds = 0.0
        """How long the present absence, or the last one, has lasted."""

    @property
    def told(self) -> bool:
        """Whether the log says at present that it is away."""
        return self._away

    def failed(self, reason: str, now: float) -> OutageNotice | None:
        """It is away, or another try has failed, because of `reason`."""
        self._there_since = None
        if not self._away:
            return self._go(reason, now)
        self.seconds = now - self._began[-1]
        if reason not in self._reasons and len(self._reasons) < _MOST_REASONS:
            self._reasons.add(reason)
            return OutageNotice.REASON
        if now - self._said >= self._remind_seconds:
            self._said = now
            return OutageNotice.STILL
        return None

    def lives(self, now: float) -> OutageNotice | None:
        """It is there; the more often this is called, the better it is known since when."""
        if not self._away:
            return None
        if self._there_since is None:
            self._there_since = now
            self.seconds = now - self._began[-1]
        if self._unsteady and now - self._there_since < _STEADY_SECONDS:
            return None
        self._away = False
        return OutageNotice.BACK

    def _go(self, reason: str, now: float) -> OutageNotice:
        while self._began and now - self._began[0] >= REMIND_SECONDS:
            self._began.popleft()
        self._began.append(now)
        self._away, self._said, self._reasons, self.seconds = True, now, {reason}, 0.0
        self._unsteady = len(self._began) >= _MANY
        return OutageNotice.UNSTEADY if self._unsteady else OutageNotice.GONE


class LogQuota:
    """Lets so many lines through, and as many REMIND_SECONDS later: for what is news each time, but may never end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = 0
        self._began = float("-inf")

    def left(self, now: float) -> int:
        """Return how many lines are left with the one that is asked for, which counts as said; 0: leave it out."""
        if now - self._began >= REMIND_SECONDS:
            self._began, self._left = now, self._most
        left = self._left
        self._left = max(0, left - 1)
        return left


class LogDeduplicator:
    """Which sentences are new: each counts as said for REMIND_SECONDS."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def new(self, sentence: str, now: float) -> bool:
        """Whether `sentence` should be said now; it then counts as said."""
        self._said = {said: moment for said, moment in self._said.items() if now - moment < REMIND_SECONDS}
        if sentence in self._said or len(self._said) >= _MOST_SENTENCES:
            return False
        self._said[sentence] = now
        return True


def format_duration(seconds: float) -> str:
    """Return a length of time as people say it: 40 s, 12 min, 7.5 h."""
    if seconds < 100:  # noqa: PLR2004 - up to here seconds are easy to grasp
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - likewise
