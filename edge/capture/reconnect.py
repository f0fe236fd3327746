"""Reopens a live source after a loss, a stall or a pause, and logs each outage.

`Supervisor` runs in a thread of its own. It watches the current `CaptureSession`, abandons one that is lost, stalled or
released for a pause, waits, and starts the next. No function here reads a clock: the time is a parameter.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from edge.capture.source import Source
from edge.capture.stall import StallLimit
from edge.logs.outage import REMIND_SECONDS, OutageLog, OutageNotice, format_duration
from edge.pacing import Backoff
from edge.types import SourceState

log = logging.getLogger(__name__)

STALL_MARGIN_SECONDS: Final = 2.0
"""Time after a source's own limit for a read, until the supervisor must have declared the source stalled."""

_FIRST_WAIT_SECONDS: Final = 0.5
_MAX_WAIT_SECONDS: Final = 30.0

_LOG_LINES: Final = {
    OutageNotice.GONE: "{reason}; reopening is retried until it succeeds",
    OutageNotice.REASON: "the source is still unavailable: {reason}",
    OutageNotice.STILL: "the source has been unavailable for {span}: {reason}",
    OutageNotice.UNSTEADY: "the source fails repeatedly: {reason}; its recovery is logged once it is stable",
    OutageNotice.BACK: "the source is back after {span}",
}


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """Limits that decide when a live source has stalled, and how it is reopened.

    `stall_seconds`: longest time without a frame, for a source that is not slower itself (`StallLimit`).
    `min_open_seconds`: opening may take at least this long, because a sensor starts or a host name is looked up.
    `max_hung_threads`: threads that may hang in a driver at once; a driver that blocks that many will not serve
    another. `hung_poll_seconds`: time between two checks of those threads. `remind_seconds`: time between two log
    lines on one outage.
    """

    stall_seconds: float
    min_open_seconds: float = 15.0
    max_hung_threads: int = 4
    hung_poll_seconds: float = 0.5
    remind_seconds: float = REMIND_SECONDS


def reopen_backoff(stable_seconds: float) -> Backoff:
    """Return the waits before a live source is reopened: the limit doubles from 0.5 s up to 30 s.

    Each wait is drawn from the upper half of its limit, so that several sensors on one stream do not reconnect in the
    same moment. A source that gave frames for `stable_seconds` starts over with the shortest wait.
    """
    return Backoff(_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS, stable_seconds=stable_seconds, least_share=0.5)


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a capture session ended, with one sentence on the cause."""

    state: Literal["stalled", "lost"]
    error: str


class CaptureSession:
    """One opening of the source, read by one thread. Not thread-safe: `SharedState.changed` guards it.

    `source` is None where the session's own thread opens the source, because opening may hang too. `after_pause`: the
    session follows a pause, not an outage. Times (`now`) are seconds on one monotonic clock.
    """

    def __init__(
        self,
        source: Source | None,
        policy: ReconnectPolicy,
        now: float,
        *,
        stall: StallLimit | None = None,
        after_pause: bool = False,
    ) -> None:
        """`stall`: the limit for a frame, which all sessions share; None: a new one as `policy` has it."""
        self.source = source
        self.after_pause = after_pause
        self.released = False  # a pause has begun: the thread must close the source
        self.closed = False  # the thread has closed the source
        self.thread: threading.Thread | None = None
        self.lost_reason: str | None = None
        self.seconds_offset = 0.0  # from the source's own time to the time in all sessions
        self._policy = policy
        self._stall = stall or StallLimit(policy.stall_seconds)
        self._stall.opened()
        self._is_open = source is not None
        self._active_at = now  # when it was created or opened, or gave its last frame
        self._first_frame_at: float | None = None

    @property
    def lasted_seconds(self) -> float:
        """Time from the first frame to the last; 0 without a frame."""
        return 0.0 if self._first_frame_at is None else self._active_at - self._first_frame_at

    def mark_opened(self, now: float) -> None:
        """Record that the source is open: from here the limit for a frame applies."""
        self._is_open, self._active_at = True, now

    def record_frame(self, now: float) -> bool:
        """Record a frame; returns True for the first one."""
        first = self._first_frame_at is None
        if first:
            self._first_frame_at = now
        self._active_at = now
        self._stall.record_frame(now)
        return first

    def end(self, now: float) -> SessionEnd | None:
        """Return how the session has ended; None while it runs."""
        if self.lost_reason is not None:
            return SessionEnd("lost", self.lost_reason)
        if self.seconds_to_stall(now) > 0:
            return None
        what = "gave no frame for" if self._is_open else "could not be opened for"
        return SessionEnd("stalled", f"The source {what} {self._limit_seconds:g} s")

    def seconds_to_stall(self, now: float) -> float:
        """Return how much longer the session may be without a frame; 0 or less once it has stalled."""
        return self._active_at + self._limit_seconds - now

    @property
    def _limit_seconds(self) -> float:
        stall_seconds = self._stall.seconds
        return stall_seconds if self._is_open else max(stall_seconds, self._policy.min_open_seconds)


class SharedState:
    """State that the threads of one capture share. Written only under the condition `changed`, which is then notified.

    `session` is the current one; None while none runs. `stall` is the limit for a frame in all sessions. `fatal`
    is the exception that ended a thread. `error` is one sentence on what is wrong with the source now.
    """

    def __init__(self, stall: StallLimit) -> None:
        self.changed = threading.Condition()
        self.stall = stall
        self.session: CaptureSession | None = None
        self.stopping = False
        self.paused = False
        self.fatal: BaseException | None = None
        self.state: SourceState = "opening"
        self.error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether no further frame will be read."""
        return self.stopping or self.fatal is not None or self.state == "ended"

    def accepts(self, session: CaptureSession) -> bool:
        """Return whether `session` is the current one, and neither a pause nor a stop has begun."""
        with self.changed:
            return not self.stopping and self.session is session and not session.released


class Supervisor:
    """Keeps a live source open: detects loss and stall, waits, and starts the next session.

    `start` gives a session its thread. `clock` returns monotonic seconds. `backoff` gives the waits; the default is
    `reopen_backoff`.
    """

    def __init__(
        self,
        shared: SharedState,
        start: Callable[[CaptureSession], None],
        policy: ReconnectPolicy,
        clock: Callable[[], float],
        backoff: Backoff | None = None,
    ) -> None:
        self._shared = shared
        self._changed = shared.changed
        self._start = start
        self._policy = policy
        self._clock = clock
        self._backoff = backoff or reopen_backoff(policy.stall_seconds)
        self._outages = OutageLog(policy.remind_seconds)
        self._hung: list[threading.Thread] = []

    def run(self) -> None:
        """Supervise until the capture has finished."""
        while (session := self._await_end()) is not None:
            if not session.released:
                # After a stable session the waits start over; after one that failed at once they grow.
                self._backoff.attempt_ended(session.lasted_seconds)
                self._wait(self._backoff.next_seconds())
            self._await_resume()
            self._await_thread(session)
            with self._changed:
                now, stall = self._clock(), self._shared.stall
                opening = CaptureSession(None, self._policy, now, stall=stall, after_pause=session.released)
            self._start(opening)

    def frame_arrived(self) -> None:
        """Log the recovery of a source that was unavailable."""
        with self._changed:
            notice = self._outages.available(self._clock())
        self._log(notice, "")

    def _await_end(self) -> CaptureSession | None:
        """Wait until the current session is released, lost or stalled, abandon it and return it.

        Returns None once the capture has finished.
        """
        shared = self._shared
        with self._changed:
            while (end := self._session_end()) is None:
                session = shared.session
                if shared.finished or session is None:
                    return None
                if session.released:
                    shared.session = None
                    return session
                self._changed.wait(session.seconds_to_stall(self._clock()))
            shared.stall.ended(self._clock())
            shared.state, shared.error = end.state, end.error
            session, shared.session = shared.session, None
            notice = self._outages.failed(end.error, self._clock())
        self._log(notice, end.error)
        return session

    def _session_end(self) -> SessionEnd | None:
        """Return how the current session has ended; None while it runs, and where its end no longer matters."""
        session = self._shared.session
        if self._shared.finished or session is None or session.released:
            return None
        return session.end(self._clock())

    def _await_resume(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._shared.paused or self._shared.finished)

    def _await_thread(self, session: CaptureSession) -> None:
        """Wait until another thread may start beside those that hang.

        A released session is given `stall_seconds` to close its source, because a camera that is still open cannot be
        opened again. Only then does its thread count as hung.
        """
        if session.released:
            with self._changed:
                self._changed.wait_for(lambda: session.closed or self._shared.finished, self._policy.stall_seconds)
        if session.thread is not None and not session.closed:
            self._hung.append(session.thread)
        while self._count_hung() >= self._policy.max_hung_threads and not self._shared.finished:
            self._wait(self._policy.hung_poll_seconds)

    def _count_hung(self) -> int:
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        return len(self._hung)

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._shared.finished, seconds)

    def _log(self, notice: OutageNotice | None, reason: str) -> None:
        if notice is not None:
            level = logging.INFO if notice is OutageNotice.BACK else logging.WARNING
            log.log(level, "%s", _LOG_LINES[notice].format(reason=reason, span=format_duration(self._outages.seconds)))
