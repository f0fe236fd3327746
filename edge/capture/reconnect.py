"""What capture's threads share, and the thread that opens a live source again.

It watches the current generation, disowns one that is lost, silent or released for a pause, and starts the
next when it is time.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from edge.capture.generation import FIRST_BACKOFF_SECONDS, End, Generation
from edge.logs.outage import Absence, Word, span

log = logging.getLogger(__name__)

State = Literal["opening", "ok", "paused", "stalled", "lost", "ended"]

_MAX_HUNG = 4
"""Threads that may hang in a driver at once; a driver that holds that many will not take a fifth."""

_SAYS: Final = {
    Word.GONE: "{reason}; it is tried again until it is back",
    Word.REASON: "the source is still away: {reason}",
    Word.STILL: "the source has been away for {span}: {reason}",
    Word.UNSTEADY: "the source comes and goes: {reason}; once it lasts, that is said",
    Word.BACK: "the source is back after {span}",
}


class Situation:
    """How the source is. Everything here is written under the condition `changed`, and told to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.current: Generation | None = None
        self.stopping = False
        self.paused = False
        self.fatal: BaseException | None = None
        self.state: State = "opening"
        self.error: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read."""
        return self.stopping or self.fatal is not None or self.state == "ended"

    def wants(self, generation: Generation) -> bool:
        """Whether what `generation` reads is of use."""
        with self.changed:
            return not self.stopping and self.current is generation and not generation.released


class Supervisor:
    """Sees to it that a live source is read. `start` gives a generation its thread."""

    def __init__(
        self,
        situation: Situation,
        start: Callable[[Generation], None],
        stall_seconds: float,
        backoff: Callable[[int], float],
    ) -> None:
        self._situation = situation
        self._changed = situation.changed
        self._start = start
        self._stall_seconds = stall_seconds
        self._backoff = backoff
        self._absence = Absence()
        self._hung: list[threading.Thread] = []

    def run(self) -> None:
        """Work until all is over."""
        attempt = 0
        while (generation := self._failed()) is not None:
            if not generation.released:
                # One that ran well for a while starts over; one that fails at once is given ever more time.
                attempt = 0 if generation.lasted_seconds >= self._stall_seconds else attempt
                self._pause(self._backoff(attempt))
                attempt += 1
            self._await_resume()
            self._await_end(generation)
            self._start(Generation(None, time.monotonic(), resumed=generation.released))

    def lives(self) -> None:
        """Say so where a source that was away is back."""
        with self._changed:
            word = self._absence.lives(time.monotonic())
        self._say(word, "")

    def _failed(self) -> Generation | None:
        """Wait until the current generation is released, lost or silent, and disown it; None at the end of it all."""
        with self._changed:
            while (end := self._ended()) is None:
                generation = self._situation.current
                if self._situation.over or generation is None:
                    return None
                if generation.released:
                    self._situation.current = None
                    return generation
                self._changed.wait(generation.seconds_left(time.monotonic(), self._stall_seconds))
            self._situation.state, self._situation.error = end.state, end.error
            generation, self._situation.current = self._situation.current, None
            word = self._absence.failed(end.error, time.monotonic())
        self._say(word, end.error)
        return generation

    def _ended(self) -> End | None:
        """Return how the current generation has ended, if it has, and anybody is still to care."""
        generation = self._situation.current
        if self._situation.over or generation is None or generation.released:
            return None
        return generation.end(time.monotonic(), self._stall_seconds)

    def _await_resume(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._situation.paused or self._situation.over)

    def _await_end(self, generation: Generation) -> None:
        """Wait until there is room for another thread beside those that hang.

        One that was released is not hanging yet: it has as long as a frame may take to close the source, because
        a camera that is open cannot be opened again.
        """
        if generation.released:
            with self._changed:
                self._changed.wait_for(lambda: generation.closed or self._situation.over, self._stall_seconds)
        if generation.thread is not None and not generation.closed:
            self._hung.append(generation.thread)
        while len(self._alive()) >= _MAX_HUNG and not self._situation.over:
            self._pause(FIRST_BACKOFF_SECONDS)

    def _alive(self) -> list[threading.Thread]:
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        return self._hung

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._situation.over, seconds)

    def _say(self, word: Word | None, reason: str) -> None:
        if word is not None:
            level = logging.INFO if word is Word.BACK else logging.WARNING
            log.log(level, "%s", _SAYS[word].format(reason=reason, span=span(self._absence.seconds)))
