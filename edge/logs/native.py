"""Keeps what compiled libraries write to standard error out of it: it is logged, captured or silenced.

OpenCV's decoders, FFmpeg, the interpreters and libcamera write to file descriptor 2 past Python's logging: lines that
name no file, in their own format, of which some come with every frame of a bad camera.
"""

import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Final

from edge.logs.outage import LogDeduplicator

_log: Final = logging.getLogger(__name__)

_STDERR: Final = 2
_FFMPEG_QUIET: Final = "-8"  # AV_LOG_QUIET
_FAILURE: Final = re.compile(r"(\[[^]]*\]\s*)*(error|fatal|terminate called)", re.IGNORECASE)
"""Beginning of a line that an operator must see, after the time stamps in brackets of libcamera."""
_JOIN_SECONDS: Final = 10.0
"""Longest wait for the last lines at the end: reading them takes milliseconds, and a hang must not keep the program."""

_redirecting: Final = threading.RLock()
"""Held while file descriptor 2 is redirected: two threads that restored it in the wrong order would lose it."""


@contextlib.contextmanager
def redirect_native_stderr(target: IO[bytes]) -> Iterator[None]:
    """Redirect file descriptor 2 to `target`, past Python's own `sys.stderr`. No effect without a standard error.

    The descriptor belongs to the whole process: what other threads write to it meanwhile goes to `target` as well.
    Inside `relay_native_stderr` that is only what other libraries write.
    """
    with _redirecting:
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
def captured_native_lines() -> Iterator[list[str]]:
    """Give a list that holds, after this context, the lines written to file descriptor 2 in it."""
    lines: list[str] = []
    # In memory: a disk that is full or read-only must not keep a picture from being decoded.
    with os.fdopen(os.memfd_create("stderr"), "w+b") as captured:
        try:
            with redirect_native_stderr(captured):
                yield lines
        finally:
            captured.seek(0)
            lines += captured.read().decode(errors="replace").splitlines()


@contextlib.contextmanager
def log_native_stderr(log: logging.Logger) -> Iterator[None]:
    """Send the lines written to file descriptor 2 in this context to `log`: errors as warnings, others at DEBUG.

    The interpreter writes "Created TensorFlow Lite XNNPACK delegate" on every start, which helps no operator; "Error
    in cpuinfo" means that it runs without its fast kernels, and must be seen.
    """
    lines: list[str] = []
    try:
        with captured_native_lines() as lines:
            yield
    finally:
        for line in lines:
            log.log(_level_of(line), "%s", line)


class NativeLog:
    """Logs lines of compiled libraries: errors as warnings, each text once an hour; others at DEBUG."""

    def __init__(self, log: logging.Logger = _log) -> None:
        self._log = log
        self._repeated = LogDeduplicator()

    def __call__(self, line: str) -> None:
        """Log a line."""
        level = _level_of(line)
        if level == logging.DEBUG or self._repeated.new(line, time.monotonic()):
            self._log.log(level, "%s", line)


@contextlib.contextmanager
def relay_native_stderr(take_line: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hand each line that compiled libraries write to file descriptor 2 in this context to `take_line`.

    By default they are logged. A thread reads them from a pipe. Python's own `sys.stderr` keeps its place, whatever
    thread writes to it. When the process dies of a signal, lines that were not read yet are lost; the stacks that
    `faulthandler` writes are not, because it uses `sys.stderr`. No effect without a standard error.
    """
    try:
        saved = os.dup(_STDERR)
    except OSError:
        yield
        return
    stderr = sys.stderr
    shares_descriptor = _descriptor_of(stderr) == _STDERR
    if shares_descriptor:
        # Stays open for good: handlers of the log keep a reference to it.
        sys.stderr = os.fdopen(saved, "w", encoding=stderr.encoding, errors=stderr.errors, buffering=1)
    source, sink = os.pipe()
    with _redirecting:
        os.dup2(sink, _STDERR)
        os.close(sink)
    reader = threading.Thread(target=_read_lines, args=(source, take_line or NativeLog()), name="stderr", daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stderr = stderr
        with _redirecting:
            os.dup2(saved, _STDERR)  # closes the pipe's end, so that the reader ends
        if not shares_descriptor:
            os.close(saved)
        reader.join(_JOIN_SECONDS)


def _read_lines(source: int, take_line: Callable[[str], None]) -> None:
    with os.fdopen(source, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                take_line(line.rstrip())


def _descriptor_of(stream: IO[str] | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):  # a stream in memory, or one that was closed
        return None


def _level_of(line: str) -> int:
    return logging.WARNING if _FAILURE.match(line) else logging.DEBUG


def silence_opencv() -> None:
    """Silence OpenCV and its FFmpeg, unless OpenCV's own environment variables set a log level."""
    import cv2  # noqa: PLC0415 - slow to load, and this module is imported by commands that never use it

    # OpenCV reads the variable at the first use of FFmpeg, which would print URLs with their credentials.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV 4.14 moved setLogLevel to a module that the type hints of 4.11 do not have.
        levels = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined, unused-ignore]
        levels.setLogLevel(0)
