"""The capture thread: one frame in a slot, and a live source that comes back when it can.

A finite source is never hurried past a frame: its reader waits until the slot is empty. A live one
overwrites the slot, because an old picture is worth nothing to a sensor. Each opening of a live
source is a *generation* with its own thread: one that hangs inside a driver cannot be stopped, so
it is abandoned, and what it still gives is thrown away.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edge.capture.generation import CaptureSession
from edge.capture.reconnect import SharedState, Supervisor
from edge.capture.source import Source
from edge.errors import SourceError, SourceLostError
from edge.pacing import Backoff
from edge.types import Frame, SourceState

_JOIN_SECONDS = 2.0
"""How long `stop` waits for a read to return. The threads are daemons: the process can end without."""


class Capture:
    """Reads `make()`'s source in a thread of its own and hands out frames with `next`.

    `make` gives a new source that is not open. `fast` lets a finite source run as quickly as frames
    are taken; otherwise it is paced by its frames' `seconds`. A live source without a frame for
    `stall_seconds`, or one that is lost, is opened again after the waits of `backoff`.

    While it is paused `next` gives no frame. A live source is closed then, so that nothing can be seen and the
    camera's light goes out, and opened anew to resume; a finite one is held at its next frame.

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
        backoff: Backoff | None = None,
    ) -> None:
        self._make = make
        self._fast = fast
        self._situation = SharedState()
        self._changed = self._situation.changed
        self._supervisor = Supervisor(self._situation, self._start_reader, stall_seconds, backoff)
        self._supervising: threading.Thread | None = None
        self._slot: Frame | None = None
        self._live = False
        self._paused_at = 0.0
        self.reopened = 0
        self.captured = 0
        self.dropped = 0
        self._first_at = 0.0
        self._last_seconds = 0.0

    @property
    def state(self) -> SourceState:
        """How the source is."""
        return self._situation.state

    @property
    def error(self) -> str | None:
        """What is wrong with it."""
        return self._situation.error

    @property
    def live(self) -> bool:
        """Whether the source gives frames at its own pace; known once it was started."""
        return self._live

    @property
    def ended(self) -> bool:
        """Whether a finite source is over and its last frame was taken."""
        with self._changed:
            return self.state == "ended" and self._slot is None

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._situation.paused

    def start(self) -> None:
        """Open the source, then start to read it. Raises `SourceError`, and nothing is left running.

        One that was paused before opens a live source only to resume.
        """
        source = self._make()
        self._live = source.live
        if self.paused and self._live:
            self._situation.current = CaptureSession(None, time.monotonic())
            self._situation.current.released = self._situation.current.closed = True
        else:
            try:
                source.open()
            except SourceLostError as error:
                # At the start nobody relies on the source yet, and the person is still there to read this.
                raise SourceError(str(error)) from error
            self._start_reader(CaptureSession(source, time.monotonic()))
        if self._live:
            self._supervising = self._thread(self._supervisor.run, None)
            self._supervising.start()

    def next(self, timeout_seconds: float) -> Frame | None:
        """Take the frame in the slot, waiting for one; None after `timeout_seconds` or at the end.

        Raises what ended the capture thread, once the frames before it were taken.
        """
        with self._changed:
            self._changed.wait_for(self._worth_a_look, timeout_seconds)
            if self._slot is not None and not self.paused:
                frame, self._slot = self._slot, None
                self._changed.notify_all()
                if self._fast and not self._live:
                    # It waited for us, not we for it: what counts as latency begins now.
                    return _stamped(frame)
                return frame
            if self._situation.fatal is not None:
                raise self._situation.fatal
            return None

    def pause(self) -> None:
        """Give no frame from here on, and let go of a live source. Pausing again does nothing."""
        with self._changed:
            if self.paused or self.state == "ended":
                return
            self._situation.paused, self._paused_at = True, time.monotonic()
            self._situation.state, self._situation.error = "paused", None
            if self._live:
                self._slot = None
                if self._situation.current is not None:
                    self._situation.current.released = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            if not self.paused:
                return
            self._situation.paused = False
            if not self._live:
                # A file goes on where it was held.
                self._first_at += time.monotonic() - max(self._paused_at, self._first_at)
            if self.state == "paused":
                self._situation.state = "opening" if self._live else "ok"
            self._changed.notify_all()

    def stop(self) -> None:
        """End the threads and close the source; stopping again, or before the start, does nothing."""
        with self._changed:
            self._situation.stopping = True
            self._changed.notify_all()
            reader = self._situation.current.thread if self._situation.current is not None else None
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in (self._supervising, reader):
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _worth_a_look(self) -> bool:
        situation = self._situation
        if situation.stopping or situation.fatal is not None:
            return True
        return not situation.paused and (self._slot is not None or situation.over)

    def _thread(self, work: Callable[[], None], generation: CaptureSession | None) -> threading.Thread:
        """Make a thread whose death is the whole line's, unless it works for an abandoned generation."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - next() raises it
                with self._changed:
                    if generation is None or self._situation.current is generation:
                        self._situation.fatal = error
                        self._changed.notify_all()

        return threading.Thread(target=guarded, name="capture", daemon=True)

    def _start_reader(self, generation: CaptureSession) -> None:
        with self._changed:
            if self._situation.stopping:
                return
            self._situation.current = generation
            generation.thread = self._thread(lambda: self._read(generation), generation)
            generation.thread.start()

    # The reader's side: one thread per generation.

    def _read(self, generation: CaptureSession) -> None:
        try:
            source = self._opened(generation)
            try:
                put = self._put_live if self._live else self._put_finite
                while self._situation.wants(generation) and (frame := source.read()) is not None:
                    put(generation, frame)
            finally:
                source.close()
            why = f"The source {source.uri} ended"
        except (SourceError, SourceLostError) as error:
            if not self._live:
                raise
            why = str(error)
        with self._changed:
            generation.lost_because, generation.closed = why, True
            if not self._live:
                self._situation.state = "ended"
            self._changed.notify_all()

    def _opened(self, generation: CaptureSession) -> Source:
        if generation.source is not None:
            return generation.source
        source = self._make()
        source.open()
        with self._changed:
            if self._situation.current is generation:
                generation.opened(time.monotonic())
                self.reopened += not generation.resumed
                self._changed.notify_all()
        return source

    def _put_live(self, generation: CaptureSession, frame: Frame) -> None:
        """Put the frame into the slot, unless the generation was abandoned while it read."""
        with self._changed:
            if not self._situation.wants(generation):
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
            self._situation.state, self._situation.error = "ok", None
            self._changed.notify_all()
        self._supervisor.lives()

    def _put_finite(self, generation: CaptureSession, frame: Frame) -> None:
        """Wait for the frame's time and for an empty slot, and put it there."""
        with self._changed:
            if self.captured == 0:
                self._first_at = time.monotonic()
            while self._situation.wants(generation):
                early = self._first_at + frame.seconds - time.monotonic()
                if self.paused:
                    self._changed.wait()
                elif not self._fast and early > 0:
                    self._changed.wait(early)
                elif self._slot is not None:
                    self._changed.wait()
                else:
                    self._slot = frame if self._fast else _stamped(frame)
                    self.captured += 1
                    self._situation.state = "ok"
                    self._changed.notify_all()
                    return


def _stamped(frame: Frame) -> Frame:
    """The frame as if it had been captured at this moment."""
    return replace(frame, captured_monotonic=time.monotonic(), captured_unix=time.time())
