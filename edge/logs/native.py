"""Redirects or silences the output that compiled libraries write to standard error past Python's logging."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Final

import cv2

_STDERR: Final = 2
_FFMPEG_QUIET: Final = "-8"  # AV_LOG_QUIET


@contextlib.contextmanager
def redirect_native_stderr(target: IO[bytes]) -> Iterator[None]:
    """Redirect file descriptor 2 to `target`, past Python's own `sys.stderr`. No effect without a standard error.

    The descriptor belongs to the whole process, so use this only while no other thread runs.
    """
    try:
        saved = os.dup(_STDERR)
    except OSError:  # started without a standard error
        yield
        return
    os.dup2(target.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)


@contextlib.contextmanager
def log_native_stderr(log: logging.Logger) -> Iterator[None]:
    """Send the lines written to file descriptor 2 in this context to `log`: errors as warnings, others at DEBUG.

    The interpreter writes "Created TensorFlow Lite XNNPACK delegate" on every start, which helps no operator; "Error
    in cpuinfo" means that it runs without its fast kernels, and must be seen.
    """
    with tempfile.TemporaryFile() as captured:
        try:
            with redirect_native_stderr(captured):
                yield
        finally:
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                log.log(logging.WARNING if line.lower().startswith("error") else logging.DEBUG, "%s", line)


def silence_opencv() -> None:
    """Silence OpenCV and its FFmpeg, unless OpenCV's own environment variables set a log level."""
    # OpenCV reads the variable at the first use of FFmpeg, which would print URLs with their credentials.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV 4.14 moved setLogLevel to a module that the type hints of 4.11 do not have.
        levels = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined, unused-ignore]
        levels.setLogLevel(0)
