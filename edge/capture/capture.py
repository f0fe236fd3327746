"""Reads frames in a thread of its own and hands them out one at a time, through a slot that holds one frame.

A finite source drops no frame: its reader waits until the slot is empty. A live source overwrites the slot, because an
old frame is worthless to a sensor. Each opening of a live source is a `CaptureSession` with its own thread: a thread
that hangs inside a driver cannot be stopped, so it is abandoned, and the frames that it still reads are discarded.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from edge.capture.masks import Masks
from edge.capture.reconnect import CaptureSession, ReconnectPolicy, SharedState, Supervisor
from edge.capture.source import Source
from edge.capture.stall import StallLimit
from edge.errors import SourceError, SourceIncompleteError, SourceLostError
from edge.frame_rate import FrameRate
from edge.pacing import Backoff
from edge.polygon import Polygon
from edge.types import Frame, SourceState

_JOIN_SECONDS = 2.0
"""How long `stop` waits for a blocked read to return. The threads are daemons: the process can end without them."""


class Capture:
    """Reads the source that `create()` returns in a thread of its own; `next` hands out the frames.

    `create` returns a new source that is not open. With `fast` a finite source runs as quickly as frames are taken;
    otherwise it is paced by its frames' `seconds`. A live source that is lost, or that stalls under `policy`, is
    reopened after the waits of `backoff`. `stall`: the limit for a frame, which `create` may
    share with the sources that it makes; None: a new one as `policy` has it. `masks`: black in every frame that is
    handed out; None: none.

    While capture is paused `next` gives no frame. A live source is closed then, so that nothing is recorded and the
    camera's light goes out; resuming opens it anew. A finite source is held at its next frame.

    Other threads may read `state` ("stalled" and "lost" last until the next opening gives a frame); `error`, one
    sentence on what is wrong with the source now, or None; `reopened`, how often a live source was reopened after an
    outage; `uri`, that of the source that was opened last, or None; `incomplete`, one sentence on what a finite source
    that ended could not read, or None; `captured`, frames read so far; and `dropped`, those of them that a newer frame
    replaced in the slot.
    """

    def __init__(  # noqa: PLR0913 - the last three have defaults
        self,
        create: Callable[[], Source],
        *,
        fast: bool,
        policy: ReconnectPolicy,
        backoff: Backoff | None = None,
        stall: StallLimit | None = None,
        masks: Masks | None = None,
    ) -> None:
        self._masks = masks or Masks()
        self._create = create
        self._fast = fast
        self._policy = policy
        self._shared = SharedState(stall or StallLimit(policy.stall_seconds))
        self._file_rate = FrameRate()
        self._changed = self._shared.changed
        self._supervisor = Supervisor(self._shared, self._start_reader, policy, time.monotonic, backoff)
        self._supervisor_thread: threading.Thread | None = None
        self._slot: Frame | None = None
        self._live = False
        self._paused_at = 0.0
        self.reopened = 0
        self.uri: str | None = None
        self.captured = 0
        self.dropped = 0
        self.incomplete: str | None = None
        self._first_frame_at = 0.0
        self._last_seconds = 0.0

    @property
    def state(self) -> SourceState:
        """State of the source."""
        return self._shared.state

    @property
    def error(self) -> str | None:
        """One sentence on what is wrong with the source now, or None."""
        return self._shared.error

    @property
    def fps(self) -> float | None:
        """Frames per second that the source gives, from the times of its latest frames; None before the second one.

        For a finite source in its own time, however quickly it is read.
        """
        return self._shared.stall.fps if self._live else self._file_rate.fps

    @property
    def stall_seconds(self) -> float:
        """Time without a frame after which a live source counts as stalled: longer than configured for a slow one."""
        return self._shared.stall.seconds

    @property
    def live(self) -> bool:
        """Whether the source gives frames at its own pace; known after `start`."""
        return self._live

    @property
    def ended(self) -> bool:
        """Whether a finite source is over and its last frame was taken."""
        with self._changed:
            return self.state == "ended" and self._slot is None

    @property
    def paused(self) -> bool:
        """Whether capture is paused."""
        return self._shared.paused

    def start(self) -> None:
        """Open the source and start to read it. Raises `SourceError`, and leaves no thread running then.

        If capture was paused before the start, a live source is not opened until `resume`.
        """
        source = self._create()
        self._live = source.live
        if self.paused and self._live:
            session = CaptureSession(None, self._policy, time.monotonic(), stall=self._shared.stall)
            session.released = session.closed = True
            self._shared.session = session
        else:
            try:
                source.open()
            except SourceLostError as error:
                # At the start nothing relies on the source yet, and the user is there to read the error: no retry.
                raise SourceError(str(error)) from error
            self.uri = source.uri
            self._start_reader(CaptureSession(source, self._policy, time.monotonic(), stall=self._shared.stall))
        if self._live:
            self._supervisor_thread = self._make_thread(self._supervisor.run, None)
            self._supervisor_thread.start()

    def next(self, timeout_seconds: float) -> Frame | None:
        """Take the frame in the slot, waiting for one; returns None after `timeout_seconds` or at the end.

        Its masks are black. Raises the exception that ended a capture thread, once the frames before it were taken.
        """
        frame = self._take(timeout_seconds)
        return None if frame is None else self._masks.apply(frame)

    def set_masks(self, polygons: Iterable[Polygon]) -> None:
        """Use other masks from the next frame on, also for one that was captured before."""
        self._masks.configure(polygons)

    def _take(self, timeout_seconds: float) -> Frame | None:
        with self._changed:
            self._changed.wait_for(self._wait_is_over, timeout_seconds)
            if self._slot is not None and not self.paused:
                frame, self._slot = self._slot, None
                self._changed.notify_all()
                if self._fast and not self._live:
                    # The frame waited for its consumer, so its latency is counted from now.
                    return _stamped(frame)
                return frame
            if self._shared.fatal is not None:
                raise self._shared.fatal
            return None

    def pause(self) -> None:
        """Stop handing out frames, and close a live source. Pausing again does nothing."""
        with self._changed:
            if self.paused or self.state == "ended":
                return
            self._shared.paused, self._paused_at = True, time.monotonic()
            self._shared.state, self._shared.error = "paused", None
            if self._live:
                self._slot = None
                if self._shared.session is not None:
                    self._shared.session.released = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Resume capture after `pause`; does nothing where capture is not paused."""
        with self._changed:
            if not self.paused:
                return
            self._shared.paused = False
            if not self._live:
                # A file continues where it was held.
                self._first_frame_at += time.monotonic() - max(self._paused_at, self._first_frame_at)
            if self.state == "paused":
                self._shared.state = "opening" if self._live else "ok"
            self._changed.notify_all()

    def stop(self) -> None:
        """End the threads and close the source; does nothing before `start` and when called again."""
        with self._changed:
            self._shared.stopping = True
            self._changed.notify_all()
            reader = self._shared.session.thread if self._shared.session is not None else None
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in (self._supervisor_thread, reader):
            if thread is not None and thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _wait_is_over(self) -> bool:
        shared = self._shared
        if shared.stopping or shared.fatal is not None:
            return True
        return not shared.paused and (self._slot is not None or shared.finished)

    def _make_thread(self, work: Callable[[], None], session: CaptureSession | None) -> threading.Thread:
        """Make a thread whose exception `next` raises, unless the thread serves a session that was abandoned."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - next() raises it
                with self._changed:
                    if session is None or self._shared.session is session:
                        self._shared.fatal = error
                        self._changed.notify_all()

        return threading.Thread(target=guarded, name="capture", daemon=True)

    def _start_reader(self, session: CaptureSession) -> None:
        with self._changed:
            if self._shared.stopping:
                return
            self._shared.session = session
            thread = self._make_thread(lambda: self._read(session), session)
            try:
                thread.start()
            except RuntimeError as error:  # short of memory, or a limit on tasks
                if session.source is not None:
                    raise
                session.lost_reason = f"no thread can be started to open the source ({error})"
                self._changed.notify_all()
            else:
                session.thread = thread

    # From here on: code of the reader, one thread per session.

    def _read(self, session: CaptureSession) -> None:
        try:
            source = self._open_source(session)
            try:
                put = self._put_live if self._live else self._put_finite
                while self._shared.accepts(session) and (frame := source.read()) is not None:
                    put(session, frame)
            finally:
                source.close()
            reason = f"The source {source.uri} ended"
        except SourceIncompleteError as error:
            self.incomplete = reason = str(error)
        except (SourceError, SourceLostError) as error:
            if not self._live:
                raise
            reason = str(error)
        with self._changed:
            session.lost_reason, session.closed = reason, True
            if not self._live:
                self._shared.state = "ended"
            self._changed.notify_all()

    def _open_source(self, session: CaptureSession) -> Source:
        """Return the session's source, opening a new one where it has none yet."""
        if session.source is not None:
            return session.source
        source = self._create()
        source.open()
        with self._changed:
            if self._shared.session is session:
                session.mark_opened(time.monotonic())
                self.uri = source.uri
                self.reopened += not session.after_pause
                self._changed.notify_all()
        return source

    def _put_live(self, session: CaptureSession, frame: Frame) -> None:
        """Put the frame into the slot, unless the session was abandoned while it read."""
        with self._changed:
            if not self._shared.accepts(session):
                return
            if self.captured == 0:
                self._first_frame_at = frame.captured_monotonic
            if session.record_frame(time.monotonic()):
                session.seconds_offset = frame.captured_monotonic - self._first_frame_at - frame.seconds
            # The clocks of source and machine differ a little; time must not go backwards over a reopening.
            self._last_seconds = max(self._last_seconds, session.seconds_offset + frame.seconds)
            if self._slot is not None:
                self.dropped += 1
            self._slot = replace(frame, number=self.captured, seconds=self._last_seconds)
            self.captured += 1
            self._shared.state, self._shared.error = "ok", None
            self._changed.notify_all()
        self._supervisor.frame_arrived()

    def _put_finite(self, session: CaptureSession, frame: Frame) -> None:
        """Wait for the frame's time and for an empty slot, then put the frame there."""
        with self._changed:
            self._file_rate.record(frame.seconds)
            if self.captured == 0:
                self._first_frame_at = time.monotonic()
            while self._shared.accepts(session):
                early_seconds = self._first_frame_at + frame.seconds - time.monotonic()
                if self.paused:
                    self._changed.wait()
                elif not self._fast and early_seconds > 0:
                    self._changed.wait(early_seconds)
                elif self._slot is not None:
                    self._changed.wait()
                else:
                    self._slot = frame if self._fast else _stamped(frame)
                    self.captured += 1
                    self._shared.state = "ok"
                    self._changed.notify_all()
                    return


def _stamped(frame: Frame) -> Frame:
    """Return the frame as if it had been captured now."""
    return replace(frame, captured_monotonic=time.monotonic(), captured_unix=time.time())
