"""Says that the broker is away, and that it is back, without saying it again and again."""

import logging
import time
from collections.abc import Callable
from typing import Final

from edge.logs.outage import OutageLog, OutageNotice, format_duration

_LOG: Final = logging.getLogger(__name__)

_SAYS: Final = {
    OutageNotice.GONE: "{reason}; events wait here meanwhile",
    OutageNotice.REASON: "{reason}; events wait here meanwhile",
    OutageNotice.STILL: "still no broker, for {span}: {reason}; {waiting} event(s) wait",
    OutageNotice.UNSTEADY: "the broker comes and goes: {reason}; once a connection lasts, that is said",
}


class ConnectionLog:
    """What the log has of the connection to the broker. `waiting` counts the events that wait for one."""

    def __init__(self, waiting: Callable[[], int], absence: OutageLog | None = None) -> None:
        self._waiting = waiting
        self._absence = absence or OutageLog()
        self._reason = ""  # as told last
        self._ever = False

    def report(self, reason: str, *, news: bool) -> None:
        """There is no connection because of `reason`, which is told again where it is `news`."""
        if news or not self._absence.told:
            self._reason = reason
        word = self._absence.failed(self._reason, time.monotonic())
        if word is not None:
            lasted = format_duration(self._absence.seconds)
            _LOG.warning("%s", _SAYS[word].format(reason=reason, span=lasted, waiting=self._waiting()))

    def broken(self, by: str) -> None:
        """There is a connection, or there is one still; `by` names it."""
        back = self._absence.lives(time.monotonic()) is not None
        if back or not self._ever:
            after = f" after {format_duration(self._absence.seconds)}" if back else ""
            _LOG.info("connected to %s%s", by, after)
        self._ever = True
