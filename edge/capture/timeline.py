"""Decides the time of each frame of a file from its time stamps, which may be missing, repeated, or jump.

Recordings that were joined, or of a camera that was restarted, jump by minutes or by years, in either direction. A
replay must not wait for that long, and nobody was there in between: time goes on by one step.
"""

import math
from typing import Final

_JUMP_SECONDS: Final = 5.0
"""A step of more than this is a jump, unless frames are usually that far apart. Twice the key frame interval of common
cameras, so that a picture group lost on the way is not taken for one."""
_JUMP_STEPS: Final = 3.0
"""A step of up to this many usual ones is no jump: in slow streams a frame or two get lost as well."""
_MAX_USUAL_SECONDS: Final = 30.0
"""Longest distance between two frames that counts as usual: three times that of a camera with 0.1 frames a second."""
_MAX_STEP_SECONDS: Final = 60.0
"""Longest step that a file's stated rate may stand for; a damaged header states one frame in a year."""
_MAX_STAMP_SECONDS: Final = 1e9
"""Stamps beyond 30 years are none: OpenCV 4.11 gives -3.7e17 for a stream without stamps."""
_SMOOTHING: Final = 0.2  # share of the newest step in the usual one: follows a new rate within ten frames


class Timeline:
    """Converts time stamps to seconds since the first frame, which always increase.

    `step_seconds`: distance of two frames by the file's stated rate. A stamp that is missing, not finite or not later
    than the one before counts as that much later. Beyond a jump time goes on by one usual step. A second jump in a row
    of the same size is no jump but the rate of a slow stream, whatever the file states.

    `jumps`: number of jumps so far; `last_jump_seconds`: size of the last one, negative where it went back.
    """

    def __init__(self, step_seconds: float) -> None:
        self._step_seconds = min(step_seconds, _MAX_STEP_SECONDS)
        self._usual_seconds = min(self._step_seconds, _MAX_USUAL_SECONDS)
        self._offset: float | None = None  # stamp that stands for 0 seconds
        self._last_stamp = 0.0
        self._last_seconds = -1.0
        self._candidate_seconds = 0.0  # size of the step before, where that was taken for a jump
        self.jumps = 0
        self.last_jump_seconds = 0.0

    def seconds(self, stamp_seconds: float) -> float:
        """Return the time of the next frame; 0.0 for the first one."""
        known = math.isfinite(stamp_seconds) and abs(stamp_seconds) <= _MAX_STAMP_SECONDS
        if self._last_seconds < 0:
            self._last_seconds = 0.0
        elif not known or self._offset is None:
            self._last_seconds += self._step_seconds
        else:
            self._advance(stamp_seconds, stamp_seconds - self._last_stamp)
        if known:
            if self._offset is None:
                self._offset = stamp_seconds - self._last_seconds
            self._last_stamp = stamp_seconds
        return self._last_seconds

    def _advance(self, stamp: float, step: float) -> None:
        assert self._offset is not None  # noqa: S101 - for the type checker; `seconds` checked it
        if abs(step) > max(_JUMP_SECONDS, _JUMP_STEPS * self._usual_seconds) and not self._is_usual_now(step):
            self.jumps += 1
            self.last_jump_seconds = step
            self._candidate_seconds = step
            self._last_seconds += self._usual_seconds
            self._offset = stamp - self._last_seconds
            return
        self._candidate_seconds = 0.0
        seconds = stamp - self._offset
        if seconds <= self._last_seconds:
            self._last_seconds += self._step_seconds
            return
        self._last_seconds = seconds
        self._usual_seconds += _SMOOTHING * (min(max(step, 0.0), _MAX_USUAL_SECONDS) - self._usual_seconds)

    def _is_usual_now(self, step: float) -> bool:
        """Return whether a step repeats the one before, so that it is the rate of the stream."""
        before = self._candidate_seconds
        if 0 < step <= _MAX_USUAL_SECONDS and before / 2 <= step <= before * 2:
            self._usual_seconds = step
            return True
        return False
