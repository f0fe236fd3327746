"""Takes what compiled libraries write to standard error, past Python, into the log."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Final

_STDERR: Final = 2


@contextlib.contextmanager
def native_stderr_to(log: logging.Logger) -> Iterator[None]:
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
