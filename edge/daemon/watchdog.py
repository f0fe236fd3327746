"""Feeds the service manager's watchdog while the daemon makes progress, never by a timer alone."""

import logging
import math
from typing import Final

from edge.capture.reconnect import STALL_MARGIN_SECONDS
from edge.logs.outage import format_duration
from edge.system.sd_notify import Notifier
from edge.types import SourceState

log = logging.getLogger(__name__)

PUBLISHER_SECONDS: Final = 180.0
"""Longest time for one turn of the publisher's loop. A turn takes a second, except while a connection is opened: the
name is resolved (a resolver asks three servers twice, 5 s each, for the name and again for each search domain: 120 s
with three of them), then TCP and TLS take 5 s for each address and the broker's answer 5 s, all of it once more with
an older version of MQTT. A restart costs the camera for a while, so the limit is generous."""


class WatchdogFeeder:
    """Feeds the watchdog while both the pipeline and the publisher make progress.

    Progress of the pipeline: a frame was processed, or the source is known to be away and is being opened again, or
    the limit for a frame has not passed yet. Progress of the publisher: its loop has completed a turn, with a broker
    or without. If the pipeline hangs, nothing calls `update`; if a camera hangs unnoticed or the publisher hangs,
    there is no progress. In each case the watchdog is no longer fed, and systemd restarts the service.
    """

    def __init__(self, notifier: Notifier, *, live: bool, publisher_seconds: float = PUBLISHER_SECONDS) -> None:
        """`live`: the source is a camera."""
        self._notifier = notifier
        self._live = live
        self._publisher_seconds = publisher_seconds
        self._frames = 0
        self._progress_at: float | None = None
        self._fed_at = float("-inf")
        self._starving = False

    def update(
        self,
        frames: int,
        source: SourceState,
        publisher_beat: float | None,
        now_monotonic: float,
        *,
        stall_seconds: float,
    ) -> None:
        """Feed the watchdog if it is due and there was progress. Called in each turn of the main loop.

        `frames`: frames processed so far. `source`: state of the source. `publisher_beat`: when the publisher last
        completed a turn of its loop (`time.monotonic()`), None where there is no publisher. `stall_seconds`: time
        after which a live source without a frame is reported as stalled now.
        """
        limit_seconds = stall_seconds + STALL_MARGIN_SECONDS if self._live else math.inf
        if self._progress_at is None or frames != self._frames or source != "ok":
            self._frames, self._progress_at = frames, now_monotonic
        feed_seconds = self._notifier.feed_seconds
        if feed_seconds is None or now_monotonic - self._fed_at < feed_seconds:
            return
        without_frame = now_monotonic - self._progress_at
        without_beat = 0.0 if publisher_beat is None else now_monotonic - publisher_beat
        if without_frame <= limit_seconds and without_beat <= self._publisher_seconds:
            self._starving = False
            self._fed_at = now_monotonic
            self._notifier.alive()
        elif not self._starving:
            self._starving = True
            reason = f"the publisher has hung for {format_duration(without_beat)}"
            if without_frame > limit_seconds:
                reason = f"no frame for {format_duration(without_frame)}, and the source reports no error"
            log.error("%s: systemd's watchdog is not fed any more", reason)
