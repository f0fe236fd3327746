"""Whether the daemon gets anywhere, as the service manager is told: never by a timer alone."""

from typing import Final

from edge.capture import State
from edge.systemd import Notifier

_MARGIN_SECONDS: Final = 2.0
"""After a source's own limit for silence, until its supervisor must have declared it stalled."""


class Vitals:
    """Feeds the watchdog by progress.

    Progress is a frame through the line, a source that is known to be away and is being opened again, or
    one that may still be silent: its own limit has not passed. A line that hangs calls nothing, a camera
    that hangs unnoticed gives no progress; either way the watchdog starves and systemd starts anew.
    """

    def __init__(self, notifier: Notifier, *, stall_seconds: float, live: bool) -> None:
        """`stall_seconds`: after which a live source without a frame must be known as stalled."""
        self._notifier = notifier
        self._limit_seconds = stall_seconds + _MARGIN_SECONDS if live else float("inf")
        self._frames = 0
        self._moved_at: float | None = None
        self._fed_at = float("-inf")

    def turn(self, frames: int, source: State, now_monotonic: float) -> None:
        """Take note of a turn of the loop: frames processed so far, and how the source is."""
        if self._moved_at is None or frames != self._frames or source != "ok":
            self._frames, self._moved_at = frames, now_monotonic
        feed_seconds = self._notifier.feed_seconds
        if feed_seconds is None or now_monotonic - self._fed_at < feed_seconds:
            return
        if now_monotonic - self._moved_at <= self._limit_seconds:
            self._fed_at = now_monotonic
            self._notifier.alive()
