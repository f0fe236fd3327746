"""Whether the daemon gets anywhere, as the service manager is told: never by a timer alone."""

import logging
from typing import Final

from edge.capture.reconnect import STALL_MARGIN_SECONDS
from edge.logs.outage import format_duration
from edge.system.sd_notify import Notifier
from edge.types import SourceState

log = logging.getLogger(__name__)

PUBLISHER_SECONDS: Final = 180.0
"""How long the publisher's loop may take for one turn. It shows itself once a second but for while it opens a
connection: looking up the name (a resolver asks three servers twice, 5 s each, for the name and again for each
domain that it may belong to: 120 s with three of them), then TCP and TLS, 5 s for each address, and the broker's
answer, 5 s, all of it once more with an older MQTT. Whom this kills loses its camera for a while, so in doubt it
waits."""


class WatchdogFeeder:
    """Feeds the watchdog by progress.

    Progress is a frame through the line, a source that is known to be away and is being opened again, or
    one that may still be silent: its own limit has not passed. And it is the publisher's loop that goes
    round, whether there is a broker or not. A line that hangs calls nothing, a camera that hangs unnoticed
    gives no progress; either way, or where the publisher hangs, the watchdog starves and systemd starts anew.
    """

    def __init__(
        self, notifier: Notifier, *, stall_seconds: float, live: bool, publisher_seconds: float = PUBLISHER_SECONDS
    ) -> None:
        """`stall_seconds`: after which a live source without a frame must be known as stalled."""
        self._notifier = notifier
        self._limit_seconds = stall_seconds + STALL_MARGIN_SECONDS if live else float("inf")
        self._publisher_seconds = publisher_seconds
        self._frames = 0
        self._moved_at: float | None = None
        self._fed_at = float("-inf")
        self._starves = False

    def turn(self, frames: int, source: SourceState, publisher_beat: float | None, now_monotonic: float) -> None:
        """Take note of a turn of the loop.

        `frames` processed so far; how the source is; when the publisher last went round, None where there is none.
        """
        if self._moved_at is None or frames != self._frames or source != "ok":
            self._frames, self._moved_at = frames, now_monotonic
        feed_seconds = self._notifier.feed_seconds
        if feed_seconds is None or now_monotonic - self._fed_at < feed_seconds:
            return
        silent = now_monotonic - self._moved_at
        unheard = 0.0 if publisher_beat is None else now_monotonic - publisher_beat
        if silent <= self._limit_seconds and unheard <= self._publisher_seconds:
            self._starves = False
            self._fed_at = now_monotonic
            self._notifier.alive()
        elif not self._starves:
            self._starves = True
            what = f"the publisher has hung for {format_duration(unheard)}"
            if silent > self._limit_seconds:
                what = f"no frame for {format_duration(silent)}, and the source does not say why"
            log.error("%s: systemd is not told any more that all is well", what)
