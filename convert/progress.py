"""Prints the progress of long measurements and training runs."""

import time
from collections.abc import Callable
from typing import Final

PrintLine = Callable[[str], None]
"""Prints one line of text for the user at once."""
Tick = Callable[[int, int], None]
"""Called with the number of items done and the number of items in total."""

_INTERVAL_SECONDS: Final = 15.0
_SECONDS_PER_MINUTE: Final = 60


def minutes_left(elapsed_seconds: float, done: float, remaining: float) -> float:
    """Return the estimated minutes for the remaining work at the average speed so far.

    `done` (above 0) and `remaining` are amounts of work in the same unit.
    """
    return elapsed_seconds / done * remaining / _SECONDS_PER_MINUTE


def ticker(name: str, print_line: PrintLine, clock: Callable[[], float] = time.monotonic) -> Tick:
    """Return a function that prints how much of the work called `name` is done and the minutes left.

    It prints every 15 seconds at most. Work that is done sooner prints nothing. `clock`: returns seconds, for
    tests.
    """
    started = printed = clock()

    def tick(done: int, total: int) -> None:
        nonlocal printed
        now = clock()
        if done and done < total and now - printed >= _INTERVAL_SECONDS:
            printed = now
            minutes = minutes_left(now - started, done, total - done)
            print_line(f"{name}: {done} of {total}, about {minutes:.1f} minutes left")

    return tick
