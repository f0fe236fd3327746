"""Redirects or silences what compiled libraries write to standard error past Python's logging."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Final

import cv2

_STDERR: Final = 2
_FFMPEG_QUIET: Final = "-8"  # AV_LOG_QUIET


@contextlib.contextmanager
def log_native_stderr(log: logging.Logger) -> Iterator[None]:
    """Send what is written to file descriptor 2 meanwhile to `log`: errors as warnings, the rest at DEBUG.

    For the whole process, so only while it has no other threads: the interpreter says "Created
    TensorFlow Lite XNNPACK delegate" on every start, which tells a person nothing. "Error in cpuinfo",
    which means that it runs without its fast kernels, does.
    """
    with tempfile.TemporaryFile() as kept:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # started without a standard error
            yield
            return
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
            kept.seek(0)
            for line in kept.read().decode(errors="replace").splitlines():
                log.log(logging.WARNING if line.lower().startswith("error") else logging.DEBUG, "%s", line)


def silence_opencv() -> None:
    """Silence both, unless the person asked for their messages through OpenCV's own variables."""
    # Read when FFmpeg is first used; a URL with credentials would be among what it prints.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV 4.14 moved it to a module that the type hints of 4.11 do not have.
        levels = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined, unused-ignore]
        levels.setLogLevel(0)
