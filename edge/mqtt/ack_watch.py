"""Watches how long the broker takes to acknowledge, so that few messages grow old in a connection that hangs.

Pure: the time comes in as an argument.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AckTimes:
    """Times in seconds from when a message was handed to the connection.

    `stall`: while the oldest message is unacknowledged for longer, nothing more is handed over. A broker on a good
    network answers within milliseconds, one behind a bad mobile link within a second. `ping`: then it is pinged.
    `dead`: nothing at all has come from the broker for this long, so the connection is given up: a broker that runs
    answers a ping. `unanswered`: the broker lives and does not acknowledge; a loaded one gets this much time.
    """

    stall: float = 1.0
    ping: float = 2.0
    dead: float = 10.0
    unanswered: float = 30.0


class AckWatch:
    """Tracks the messages of one connection that the broker must acknowledge, by message id."""

    def __init__(self, times: AckTimes) -> None:
        self._times = times
        self._sent: dict[int, float] = {}  # in the order of sending, so the first is the oldest
        self._pinged_for: int | None = None

    def sent(self, mid: int, now: float) -> None:
        """Record that message `mid` was handed to the connection."""
        self._sent[mid] = now

    def acknowledged(self, mid: int) -> None:
        """Record that the broker acknowledged message `mid`."""
        self._sent.pop(mid, None)

    def oldest_seconds(self, now: float) -> float:
        """Return for how long the oldest message is unacknowledged; 0 where none is."""
        return now - next(iter(self._sent.values())) if self._sent else 0.0

    def stalled(self, now: float) -> bool:
        """Return whether acknowledgements are overdue, so that nothing more may be handed over."""
        return self.oldest_seconds(now) >= self._times.stall

    def seconds_to_next(self, now: float) -> float:
        """Return the seconds until `stalled`, `ping_due` or `problem` may change by time alone; infinite for never."""
        if not self._sent:
            return float("inf")
        age = self.oldest_seconds(now)
        times = self._times
        return min(
            (end - age for end in (times.stall, times.ping, times.dead, times.unanswered) if end > age), default=0
        )

    def ping_due(self, now: float) -> bool:
        """Return True once for each message that is the oldest for longer than `AckTimes.ping`."""
        if self.oldest_seconds(now) < self._times.ping:
            return False
        oldest = next(iter(self._sent))
        due = oldest != self._pinged_for
        self._pinged_for = oldest
        return due

    def problem(self, now: float, last_received: float) -> tuple[str, bool] | None:
        """Return why the connection is given up, and whether the broker lives; None while it is kept.

        `last_received`: when the last byte came from the broker.
        """
        age = self.oldest_seconds(now)
        silent = now - last_received
        if age >= self._times.dead and silent >= self._times.dead:
            return f"the broker has answered nothing for {silent:.0f} s", False
        if age >= self._times.unanswered:
            return f"the broker has not acknowledged a message for {age:.0f} s, although it answers", True
        return None
