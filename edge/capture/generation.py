"""One opening of a live source: whether it is well, and how long to wait before the next."""

import threading
from dataclasses import dataclass
from typing import Final, Literal

from edge.capture.source import Source

_MIN_OPEN_SECONDS: Final = 15.0
"""Opening may take longer than a frame: a sensor starts, a host name is looked up."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a generation ended, and one sentence on why."""

    state: Literal["stalled", "lost"]
    error: str


class CaptureSession:
    """One opening of the source, with a thread of its own. Not thread-safe: guarded by the capture's condition."""

    def __init__(self, source: Source | None, now: float, *, resumed: bool = False) -> None:
        self.source = source  # None: its own thread opens it, because that may hang too
        self.resumed = resumed  # it follows a pause, not a loss
        self.released = False  # it is to close its source, because nobody may look any more
        self.closed = False  # its thread has let go of the source
        self.thread: threading.Thread | None = None
        self.lost_because: str | None = None
        self.seconds_offset = 0.0
        self._opened = source is not None
        self._alive_at = now  # when it was started or opened, or gave its last frame
        self._first_frame_at: float | None = None

    @property
    def lasted_seconds(self) -> float:
        """From its first frame to its last."""
        return 0.0 if self._first_frame_at is None else self._alive_at - self._first_frame_at

    def opened(self, now: float) -> None:
        """Its thread has opened the source."""
        self._opened, self._alive_at = True, now

    def frame(self, now: float) -> bool:
        """It gave a frame; True where that was its first."""
        first = self._first_frame_at is None
        if first:
            self._first_frame_at = now
        self._alive_at = now
        return first

    def end(self, now: float, stall_seconds: float) -> SessionEnd | None:
        """Return how it has ended; None as long as it is well, or may still be."""
        if self.lost_because is not None:
            return SessionEnd("lost", self.lost_because)
        if self.seconds_left(now, stall_seconds) > 0:
            return None
        what = "gave no frame for" if self._opened else "could not be opened for"
        return SessionEnd("stalled", f"The source {what} {self._limit_seconds(stall_seconds):g} s")

    def seconds_left(self, now: float, stall_seconds: float) -> float:
        """Return how long it may be silent from now on; negative where it has been for too long."""
        return self._alive_at + self._limit_seconds(stall_seconds) - now

    def _limit_seconds(self, stall_seconds: float) -> float:
        return stall_seconds if self._opened else max(stall_seconds, _MIN_OPEN_SECONDS)
