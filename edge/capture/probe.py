"""Tries a source for a moment: its first frame, and the rate at which it gives frames."""

import queue
import threading
import time
from dataclasses import dataclass
from typing import Final

from edge.capture.source import Source
from edge.errors import SourceError, SourceLostError
from edge.frame_rate import FrameRate
from edge.types import Frame

_FRAMES: Final = 8
"""Frames that are enough: seven intervals, of which the first are uneven while a camera starts."""
_FEW_FRAMES: Final = 3
"""Frames that are enough once `_USUAL_SECONDS` are over."""
_USUAL_SECONDS: Final = 3.0
"""Time after which a few frames are enough: a slow source must not hold up the user."""
_MAX_SECONDS: Final = 8.0
"""Longest time from the first frame on. A source that gave no second one by then gives fewer than one in that time."""
_FIRST_FRAME_SECONDS: Final = 60.0
"""Longest time to open the source and get its first frame: sources limit both themselves, and this ends a hang in a
driver."""
_CLOSE_SECONDS: Final = 1.0
"""Time to wait for the source to be closed: a slow camera's read may take ten seconds more."""

_Results = queue.SimpleQueue[Frame | Exception | None]
"""Frames in their order; an exception or None is the last one."""


@dataclass(frozen=True, slots=True)
class SourceProbe:
    """What a source gave.

    `first`, `last`: the first frame and the last one. `frames`: how many frames, at least 1. `fps`: frames per second
    from their times; None with a single frame. `waited_seconds`: time from the last frame to the end of the try.
    `problem`: why a camera gave no more frames, one sentence; else None.
    """

    first: Frame
    last: Frame
    frames: int
    fps: float | None
    waited_seconds: float
    problem: str | None = None

    @property
    def max_fps(self) -> float | None:
        """The rate, or its upper limit where only one frame came: none within `waited_seconds`; None: nothing known."""
        if self.fps is not None:
            return self.fps
        return 1 / self.waited_seconds if self.waited_seconds > _USUAL_SECONDS else None


def probe_source(
    source: Source,
    *,
    frames: int = _FRAMES,
    max_seconds: float = _MAX_SECONDS,
    first_frame_seconds: float = _FIRST_FRAME_SECONDS,
    close_seconds: float = _CLOSE_SECONDS,
) -> SourceProbe:
    """Open `source`, read at most `frames` frames and close it, within the sum of the three times.

    `max_seconds`: for the frames after the first one. `close_seconds`: for the read in hand to end. Raises
    `SourceError`, also where the source gives no frame. The reading thread of a source that hangs is left behind; it
    ends with the program.
    """
    results: _Results = queue.SimpleQueue()
    enough = threading.Event()
    reader = threading.Thread(target=_read, args=(source, results, enough, frames), name="probe", daemon=True)
    reader.start()
    try:
        first = _next(results, first_frame_seconds)
        if isinstance(first, SourceLostError):
            raise SourceError(str(first)) from first
        if isinstance(first, Exception):
            raise first
        if first is None:
            raise SourceError(f"The source {source.uri} gave no frame")
        return _measure(source, first, results, frames, max_seconds)
    except queue.Empty:
        raise SourceError(f"The source {source.uri} gave no frame within {first_frame_seconds:g} s") from None
    finally:
        enough.set()
        reader.join(close_seconds)


def _measure(source: Source, first: Frame, results: _Results, most_frames: int, max_seconds: float) -> SourceProbe:
    """Read further frames. A camera's frames are timed by their arrival, those of a file by their own times."""
    rate, frames, latest, problem = FrameRate(), 1, first, None
    began = last = first.captured_monotonic
    rate.record(began if source.live else first.seconds)
    while frames < most_frames and not (frames >= _FEW_FRAMES and last - began >= _USUAL_SECONDS):
        try:
            result = _next(results, began + max_seconds - time.monotonic())
        except queue.Empty:
            break
        if isinstance(result, (SourceError, SourceLostError)):
            problem = str(result)
            break
        if isinstance(result, Exception):
            raise result
        if result is None:
            break
        frames, latest, last = frames + 1, result, result.captured_monotonic
        rate.record(last if source.live else result.seconds)
    waited_seconds = time.monotonic() - last if source.live else 0.0
    return SourceProbe(first, latest, frames, rate.fps, waited_seconds, problem)


def _next(results: _Results, seconds: float) -> Frame | Exception | None:
    return results.get(timeout=max(0.0, seconds))


def _read(source: Source, results: _Results, enough: threading.Event, frames: int) -> None:
    """Read at most `frames` frames into `results`, until `enough` is set."""
    try:
        try:
            source.open()
            for _ in range(frames):
                frame = None if enough.is_set() else source.read()
                results.put(frame)
                if frame is None:
                    break
        finally:
            source.close()
    except Exception as error:  # noqa: BLE001 - the thread that waits raises it
        results.put(error)
