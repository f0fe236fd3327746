"""Judges by the health messages whether what runs on trial keeps the latency budget. Pure, without a clock."""

from typing import Final, Literal

Verdict = Literal["running", "passed", "failed"]

MOST_IN_A_ROW: Final = 3
"""Messages in a row out of the budget that end a trial: half a minute by default, in which the ladder of levels has
been gone down to its end (`edge.latency.budget`)."""
MOST_SHARE: Final = 0.1
"""Share of the messages that may be out of the budget in the end, as when another program was busy for a while."""
SETTLE_SECONDS: Final = 20.0
"""Time after the switch that does not count, and at most a tenth of the trial: tracks begin anew, caches are cold."""
FEWEST: Final = 3
"""Messages that must have counted: a camera that was away all the time proves nothing."""


class Trial:
    """A trial that began at `began_seconds`, on the clock of all calls, and takes `watch_seconds`."""

    def __init__(self, watch_seconds: float, began_seconds: float) -> None:
        self._began, self._watch = began_seconds, watch_seconds
        self._settled = began_seconds + min(SETTLE_SECONDS, watch_seconds / 10)
        self.counted = 0
        self.over = 0
        self._in_a_row = 0

    def report(self, seconds: float, within_budget: bool | None) -> Verdict:  # noqa: FBT001 - as health has it
        """Take a health message. `within_budget`: None where there was no frame; such a message does not count."""
        if within_budget is None or seconds < self._settled:
            return "running"
        self.counted += 1
        self.over += not within_budget
        self._in_a_row = 0 if within_budget else self._in_a_row + 1
        if self._in_a_row >= MOST_IN_A_ROW:
            return "failed"
        if seconds - self._began < self._watch or self.counted < FEWEST:
            return "running"
        return "failed" if self.over > MOST_SHARE * self.counted else "passed"

    def reason(self) -> str:
        """Return why a trial has failed, a sentence without its full stop."""
        return f"{self.over} of {self.counted} health messages of the trial were over budget.latency_ms"
