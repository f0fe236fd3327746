"""Writes files atomically, syncs folders, and discards output streams that cannot be written to."""

import contextlib
import os
from pathlib import Path
from typing import Final, TextIO

_PRIVATE_FOLDER: Final = 0o700
"""Mode of new folders: other users must not learn when the sensor saw a face."""


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file beside the target and rename it over the target, so that no reader finds half a file.

    With `durable` the content is on the disk on return (fsync). Missing folders are created. Raises OSError.
    """
    path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    partial.replace(path)


def sync_folder(folder: Path) -> None:
    """Force the entries of a folder to the disk, so that a new or removed file survives a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some file systems have no fsync for a folder.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_stream(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to, such as a broken pipe, to the null device.

    The stream's buffer still holds a line. Without the redirection Python fails again when it flushes standard output
    at exit, with a traceback and exit code 120.
    """
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
