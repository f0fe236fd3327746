"""The capture thread: one frame in a slot, and a live source that comes back when it can.

A finite source is never hurried past a frame: its reader waits until the slot is empty. A live one
overwrites the slot, because an old picture is worth nothing to a sensor. Each opening of a live
source is a *generation* with its own thread: one that hangs inside a driver cannot be stopped, so
it is abandoned, and what it still gives is thrown away.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from edge.absence import Absence, Word, span
from edge.errors import SourceError, SourceLostError
from edge.generation import FIRST_BACKOFF_SECONDS, End, Generation, backoff_seconds
from edge.records import Frame
from edge.sources.base import Source

log = logging.getLogger(__name__)

State = Literal["opening", "ok", "stalled", "lost", "ended"]

_MAX_HUNG = 4
"""Threads that may hang in a driver at once; a driver that holds that many will not take a fifth."""
_JOIN_SECONDS = 2.0
"""How long `stop` waits for a read to return. The threads are daemons: the process can end without."""


_SAYS: Final = {
    Word.GONE: "{reason}; it is tried again until it is back",
    Word.REASON: "the source is still away: {reason}",
    Word.STILL: "the source has been away for {span}: {reason}",
    Word.UNSTEADY: "the source comes and goes: {reason}; once it lasts, that is said",
    Word.BACK: "the source is back after {span}",
}


class Capture:
    """Reads `make()`'s source in a thread of its own and hands out frames with `next`.

    `make` gives a new source that is not open. `fast` lets a finite source run as quickly as frames
    are taken; otherwise it is paced by its frames' `seconds`. A live source without a frame for
    `stall_seconds`, or one that is lost, is opened again after `backoff(attempt)` seconds.

    To be read by anybody: `state` ("stalled" and "lost" last until the next opening gives a frame);
    `error`, one sentence on what is wrong with the source now, or None; `reopened`, how often a live
    source was opened again with success; `captured`, frames read so far, and `dropped`, those of them
    that a newer one replaced before anybody took them.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        *,
        fast: bool,
        stall_seconds: float,
        backoff: Callable[[int], float] = backoff_seconds,
    ) -> None:
        self._make = make
        self._fast = fast
        self._stall_seconds = stall_seconds
        self._backoff = backoff
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._current: Generation | None = None
        self._absence = Absence()
        self._supervisor: threading.Thread | None = None
        self._live = False
        self._stopping = False
        self._fatal: BaseException | None = None
        self.state: State = "opening"
        self.error: str | None = None
        self.reopened = 0
        self.captured = 0
        self.dropped = 0
        self._first_at = 0.0
        self._last_seconds = 0.0

    @property
    def live(self) -> bool:
        """Whether the source gives frames at its own pace; known once it was started."""
        return self._live

    @property
    def ended(self) -> bool:
        """Whether a finite source is over and its last frame was taken."""
        with self._changed:
            return self.state == "ended" and self._slot is None

    def start(self) -> None:
        """Open the source, then start to read it. Raises `SourceError`, and nothing is left running."""
        source = self._make()
        try:
            source.open()
        except SourceLostError as error:
            # At the start nobody relies on the source yet, and the person is still there to read this.
            raise SourceError(str(error)) from error
        self._live = source.live
        self._start_reader(Generation(source, time.monotonic()))
        if self._live:
            self._supervisor = self._thread(self._supervise, None)
            self._supervisor.start()

    def next(self, timeout_seconds: float) -> Frame | None:
        """Take the frame in the slot, waiting for one; None after `timeout_seconds` or at the end.

        Raises what ended the capture thread, once the frames before it were taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._slot is not None or self._over(), timeout_seconds)
            frame, self._slot = self._slot, None
            if frame is not None:
                self._changed.notify_all()
                if self._fast and not self._live:
                    # It waited for us, not we for it: what counts as latency begins now.
                    return _stamped(frame)
                return frame
            if self._fatal is not None:
                raise self._fatal
            return None

    def stop(self) -> None:
        """End the threads and close the source; stopping again, or before the start, does nothing."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            reader = self._current.thread if self._current is not None else None
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in (self._supervisor, reader):
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _over(self) -> bool:
        return self._stopping or self._fatal is not None or self.state == "ended"

    def _thread(self, work: Callable[[], None], generation: Generation | None) -> threading.Thread:
        """Make a thread whose death is the whole line's, unless it works for an abandoned generation."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - next() raises it
                with self._changed:
                    if generation is None or self._current is generation:
                        self._fatal = error
                        self._changed.notify_all()

        return threading.Thread(target=guarded, name="capture", daemon=True)

    def _start_reader(self, generation: Generation) -> None:
        with self._changed:
            if self._stopping:
                return
            self._current = generation
            generation.thread = self._thread(lambda: self._read(generation), generation)
            generation.thread.start()

    # The reader's side: one thread per generation.

    def _read(self, generation: Generation) -> None:
        try:
            source = self._opened(generation)
            try:
                put = self._put_live if self._live else self._put_finite
                while self._wants(generation) and (frame := source.read()) is not None:
                    put(generation, frame)
            finally:
                source.close()
            why = f"The source {source.uri} ended"
        except (SourceError, SourceLostError) as error:
            if not self._live:
                raise
            why = str(error)
        with self._changed:
            generation.lost_because = why
            if not self._live:
                self.state = "ended"
            self._changed.notify_all()

    def _opened(self, generation: Generation) -> Source:
        if generation.source is not None:
            return generation.source
        source = self._make()
        source.open()
        with self._changed:
            if self._current is generation:
                generation.opened(time.monotonic())
                self.reopened += 1
                self._changed.notify_all()
        return source

    def _wants(self, generation: Generation) -> bool:
        with self._changed:
            return not self._stopping and self._current is generation

    def _put_live(self, generation: Generation, frame: Frame) -> None:
        """Put the frame into the slot, unless the generation was abandoned while it read."""
        with self._changed:
            if not self._wants(generation):
                return
            if self.captured == 0:
                self._first_at = frame.captured_monotonic
            if generation.frame(time.monotonic()):
                generation.seconds_offset = frame.captured_monotonic - self._first_at - frame.seconds
            # Clocks of source and machine differ a little; time never goes backwards over a reopening.
            self._last_seconds = max(self._last_seconds, generation.seconds_offset + frame.seconds)
            if self._slot is not None:
                self.dropped += 1
            self._slot = replace(frame, number=self.captured, seconds=self._last_seconds)
            self.captured += 1
            self.state, self.error = "ok", None
            word = self._absence.lives(time.monotonic())
            self._changed.notify_all()
        self._say(word, "")

    def _put_finite(self, generation: Generation, frame: Frame) -> None:
        """Wait for the frame's time and for an empty slot, and put it there."""
        with self._changed:
            if self.captured == 0:
                self._first_at = time.monotonic()
            while self._wants(generation):
                early = self._first_at + frame.seconds - time.monotonic()
                if not self._fast and early > 0:
                    self._changed.wait(early)
                elif self._slot is not None:
                    self._changed.wait()
                else:
                    self._slot = frame if self._fast else _stamped(frame)
                    self.captured += 1
                    self.state = "ok"
                    self._changed.notify_all()
                    return

    # The supervisor's side: it watches the current generation and starts the next.

    def _supervise(self) -> None:
        attempt = 0
        hung: list[threading.Thread] = []
        while (generation := self._failed()) is not None:
            if generation.lost_because is None and generation.thread is not None:
                hung.append(generation.thread)
            # One that ran well for a while starts over; one that fails at once is given ever more time.
            attempt = 0 if generation.lasted_seconds >= self._stall_seconds else attempt
            self._pause(self._backoff(attempt))
            attempt += 1
            while len(hung := [thread for thread in hung if thread.is_alive()]) >= _MAX_HUNG and not self._over():
                self._pause(FIRST_BACKOFF_SECONDS)
            self._start_reader(Generation(None, time.monotonic()))

    def _failed(self) -> Generation | None:
        """Wait until the current generation is lost or silent, and disown it; None at the end of it all."""
        with self._changed:
            while (end := self._ended()) is None:
                if self._over() or self._current is None:
                    return None
                self._changed.wait(self._current.seconds_left(time.monotonic(), self._stall_seconds))
            self.state, self.error = end.state, end.error
            generation, self._current = self._current, None
            word = self._absence.failed(end.error, time.monotonic())
        self._say(word, end.error)
        return generation

    def _ended(self) -> End | None:
        """Return how the current generation has ended, if it has, and anybody is still to care."""
        if self._over() or self._current is None:
            return None
        return self._current.end(time.monotonic(), self._stall_seconds)

    def _say(self, word: Word | None, reason: str) -> None:
        if word is not None:
            level = logging.INFO if word is Word.BACK else logging.WARNING
            log.log(level, "%s", _SAYS[word].format(reason=reason, span=span(self._absence.seconds)))

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._over, seconds)


def _stamped(frame: Frame) -> Frame:
    """The frame as if it had been captured at this moment."""
    return replace(frame, captured_monotonic=time.monotonic(), captured_unix=time.time())
