"""What other threads tell the one that follows the fleet's documents, in the order in which they told it."""

import contextlib
import queue
import time
from collections import deque
from dataclasses import dataclass

from edge.desired.preparation import Offer


@dataclass(frozen=True, slots=True)
class Reported:
    """A health message: when, and whether the budget was kept."""

    seconds: float
    within_budget: bool | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an offer: None where the sensor has switched, else why it could not."""

    offer: Offer
    reason: str | None


Told = Reported | Answered | None
"""None: there may be something to do."""


class Inbox:
    """A queue that any thread puts into, and one thread takes from."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._seen: deque[Told] = deque()

    def wake(self) -> None:
        """Let the thread look whether there is something to do."""
        self._queue.put(None)

    def answer(self, offer: Offer, reason: str | None) -> None:
        """Tell what became of an offer."""
        self._queue.put(Answered(offer, reason))

    def report(self, within_budget: bool | None) -> None:  # noqa: FBT001 - as health has it
        """Tell of a health message."""
        self._queue.put(Reported(time.monotonic(), within_budget))

    def take(self, until_seconds: float | None) -> Told:
        """Return what was told next, or None at `until_seconds` on the monotonic clock; None: wait without end."""
        if self._seen:
            return self._seen.popleft()
        seconds = None if until_seconds is None else max(0.0, until_seconds - time.monotonic())
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None

    def reports(self) -> list[Reported]:
        """Return the health messages that were not taken yet; they stay."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._seen.append(self._queue.get_nowait())
        return [one for one in self._seen if isinstance(one, Reported)]
