"""Tracks whether the broker accepts this sensor, and logs connections and outages without repeating itself."""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.errors import BrokerError
from edge.logs.outage import LogDeduplicator, OutageLog, OutageNotice, format_duration
from edge.messages.topics import Kind

_LOG: Final = logging.getLogger(__name__)

_DIGITS: Final = re.compile(r"\d+")

_MESSAGES: Final = {
    OutageNotice.GONE: "{reason}; events wait in the outbox meanwhile",
    OutageNotice.REASON: "{reason}; events wait in the outbox meanwhile",
    OutageNotice.STILL: "no connection for {duration}: {reason}; {waiting} event(s) wait",
    OutageNotice.UNSTEADY: (
        "the connection to the broker is unstable: {reason}; its recovery is logged once a connection lasts"
    ),
}


class BrokerAcceptance:
    """Whether the broker accepts this sensor: it does once it has acknowledged the status `online`.

    `decided` is set once that is known, or once there is no broker that could decide it.
    """

    def __init__(self) -> None:
        self.decided = threading.Event()
        self.accepted = False
        """Never reset: a broker that accepted this sensor and refuses it later may accept it again."""
        self.messages_refused = 0
        """Messages other than events that the broker did not take."""
        self._refusals = LogDeduplicator()

    def report(self, kind: Kind, refusal: str | None) -> None:
        """Handle that a message of `kind` was acknowledged, or why the broker does not take it, as a sentence.

        Raises BrokerError where the broker refuses the status of a sensor that it has never accepted.
        """
        if kind == "status" and refusal is None:
            self.accepted = True
            self.decided.set()
        elif kind == "status" and not self.accepted:
            raise BrokerError(str(refusal))
        if refusal is None:
            return
        self.messages_refused += kind != "event"
        # Lengths differ from message to message; the cause does not.
        if self._refusals.new(_DIGITS.sub("", refusal), time.monotonic()):
            _LOG.error("%s", refusal)


class LimitsLog:
    """Logs each thing that the limits of the broker cost, once."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def log(self, sentences: Sequence[str]) -> None:
        """Log those of `sentences` that were not logged before."""
        for sentence in sentences:
            if sentence not in self._logged:
                self._logged.add(sentence)
                _LOG.warning("%s", sentence)


class ConnectionLog:
    """Logs when the connection to the broker is made and lost. `waiting` returns the number of events that wait."""

    def __init__(self, waiting: Callable[[], int], outage: OutageLog | None = None) -> None:
        self._waiting = waiting
        self._outage = outage or OutageLog()
        self._reason = ""  # the last one that was given to the outage log
        self.ever_connected = False
        """Whether there was a connection since the start."""

    def disconnected(self, reason: str, *, cause: str | None = None) -> None:
        """Log that there is no connection because of `reason`.

        During an outage only a reason with a `cause` counts as a new one, where the cause was not logged yet; others
        change with each attempt.
        """
        if cause is not None or not self._outage.logged:
            self._reason = cause or reason
        notice = self._outage.failed(self._reason, time.monotonic())
        if notice is not None:
            duration = format_duration(self._outage.seconds)
            _LOG.warning("%s", _MESSAGES[notice].format(reason=reason, duration=duration, waiting=self._waiting()))

    def connected(self, name: str) -> None:
        """Log that there is a connection, at first and after an outage; to be called as long as it lasts."""
        back = self._outage.available(time.monotonic()) is not None
        if back or not self.ever_connected:
            after = f" after {format_duration(self._outage.seconds)}" if back else ""
            _LOG.info("connected to %s%s", name, after)
        self.ever_connected = True
