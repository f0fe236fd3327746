"""What capture's threads share, and the thread that opens a live source again.

It watches the current generation, disowns one that is lost, silent or released for a pause, and starts the
next when it is time.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from edge.capture.generation import CaptureSession, SessionEnd
from edge.logs.outage import OutageLog, OutageNotice, format_duration
from edge.pacing import Backoff
from edge.types import SourceState

log = logging.getLogger(__name__)

_MAX_HUNG = 4
"""Threads that may hang in a driver at once; a driver that holds that many will not take a fifth."""

_FIRST_WAIT_SECONDS: Final = 0.5
_MAX_WAIT_SECONDS: Final = 30.0

STALL_MARGIN_SECONDS: Final = 2.0
"""After a source's own limit for silence, until its supervisor must have declared it stalled."""

_SAYS: Final = {
    OutageNotice.GONE: "{reason}; it is tried again until it is back",
    OutageNotice.REASON: "the source is still away: {reason}",
    OutageNotice.STILL: "the source has been away for {span}: {reason}",
    OutageNotice.UNSTEADY: "the source comes and goes: {reason}; once it lasts, that is said",
    OutageNotice.BACK: "the source is back after {span}",
}


def reopen_backoff(stable_seconds: float) -> Backoff:
    """Return the waits before a live source is opened again: doubling up to 30 s, and a random half of each.

    Random, because several sensors on one stream should not come back together. A source that gave frames for
    `stable_seconds` starts over.
    """
    return Backoff(_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS, stable_seconds=stable_seconds, least_share=0.5)


class SharedState:
    """How the source is. Everything here is written under the condition `changed`, and told to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.current: CaptureSession | None = None
        self.stopping = False
        self.paused = False
        self.fatal: BaseException | None = None
        self.state: SourceState = "opening"
        self.error: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read."""
        return self.stopping or self.fatal is not None or self.state == "ended"

    def wants(self, generation: CaptureSession) -> bool:
        """Whether what `generation` reads is of use."""
        with self.changed:
            return not self.stopping and self.current is generation and not generation.released


class Supervisor:
    """Sees to it that a live source is read. `start` gives a generation its thread."""

    def __init__(
        self,
        situation: SharedState,
        start: Callable[[CaptureSession], None],
        stall_seconds: float,
        backoff: Backoff | None = None,
    ) -> None:
        self._situation = situation
        self._changed = situation.changed
        self._start = start
        self._stall_seconds = stall_seconds
        self._backoff = backoff or reopen_backoff(stall_seconds)
        self._absence = OutageLog()
        self._hung: list[threading.Thread] = []

    def run(self) -> None:
        """Work until all is over."""
        while (generation := self._failed()) is not None:
            if not generation.released:
                # One that ran well for a while starts over; one that fails at once is given ever more time.
                self._backoff.attempt_ended(generation.lasted_seconds)
                self._pause(self._backoff.next_seconds())
            self._await_resume()
            self._await_end(generation)
            self._start(CaptureSession(None, time.monotonic(), resumed=generation.released))

    def lives(self) -> None:
        """Say so where a source that was away is back."""
        with self._changed:
            word = self._absence.lives(time.monotonic())
        self._say(word, "")

    def _failed(self) -> CaptureSession | None:
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

    def _ended(self) -> SessionEnd | None:
        """Return how the current generation has ended, if it has, and anybody is still to care."""
        generation = self._situation.current
        if self._situation.over or generation is None or generation.released:
            return None
        return generation.end(time.monotonic(), self._stall_seconds)

    def _await_resume(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._situation.paused or self._situation.over)

    def _await_end(self, generation: CaptureSession) -> None:
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
            self._pause(_FIRST_WAIT_SECONDS)

    def _alive(self) -> list[threading.Thread]:
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        return self._hung

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._situation.over, seconds)

    def _say(self, word: OutageNotice | None, reason: str) -> None:
        if word is not None:
            level = logging.INFO if word is OutageNotice.BACK else logging.WARNING
            log.log(level, "%s", _SAYS[word].format(reason=reason, span=format_duration(self._absence.seconds)))
