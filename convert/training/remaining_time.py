"""Estimates the time that a training run still takes."""

import time
from collections.abc import Callable
from typing import Final

from convert.training.recipe import Recipe

_SECONDS_PER_MINUTE: Final = 60
_SECONDS_PER_HOUR: Final = 3600
_HOURS_FROM: Final = 2
"""From two hours on the time is given in hours."""


class RemainingTime:
    """Estimates from the speed of the present stage, which is measured anew in each stage.

    Stages differ in what they train. The work of an epoch is taken to be proportional to the pixels of a face.
    """

    def __init__(self, recipe: Recipe, clock: Callable[[], float] = time.monotonic) -> None:
        """Read seconds from `clock`."""
        self._stages, self._clock = recipe.stages, clock
        self._start: tuple[int, float, float] | None = None

    def text(self, stage: int, epochs: float) -> str:
        """Return the time left when `epochs` epochs of stage number `stage` are done, as in "about 7 minutes left".

        The first call in a stage begins the measurement: let it be after the first batch, which takes far longer than
        the others.
        """
        done, now = self._work(stage, epochs), self._clock()
        left = self._work(len(self._stages), 0) - done
        if left <= 0:
            return "all epochs done"
        if self._start is None or self._start[0] != stage:
            self._start = (stage, done, now)
        _, first_done, started = self._start
        if done <= first_done:
            return "time left not known yet"
        return _duration((now - started) / (done - first_done) * left)

    def _work(self, stage: int, epochs: float) -> float:
        done = float(sum(before.epochs * before.side_px**2 for before in self._stages[:stage]))
        return done + (epochs * self._stages[stage].side_px ** 2 if stage < len(self._stages) else 0.0)


def _duration(seconds: float) -> str:
    if seconds < _SECONDS_PER_MINUTE:
        return "less than a minute left"
    if seconds < _HOURS_FROM * _SECONDS_PER_HOUR:
        minutes = round(seconds / _SECONDS_PER_MINUTE)
        return f"about {minutes} minute{'s' if minutes != 1 else ''} left"
    return f"about {seconds / _SECONDS_PER_HOUR:.1f} hours left"
