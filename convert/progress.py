"""How far a long measurement is, for the person who waits."""

import time
from collections.abc import Callable
from typing import Final

Say = Callable[[str], None]
Tick = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

_EVERY_SECONDS: Final = 15.0


def ticker(what: str, say: Say, clock: Callable[[], float] = time.monotonic) -> Tick:
    """Return a function that says, every 15 seconds at most, how far `what` is and how long it will take.

    What is over sooner is not worth a line.
    """
    started = said = clock()

    def tick(done: int, total: int) -> None:
        nonlocal said
        now = clock()
        if done and done < total and now - said >= _EVERY_SECONDS:
            said = now
            minutes = (now - started) / done * (total - done) / 60
            say(f"{what}: {done} of {total}, about {minutes:.1f} minutes left")

    return tick
