"""Writes files so that they are whole or absent, and retires output streams that nobody reads."""

import contextlib
import os
from pathlib import Path
from typing import Final, TextIO

_PRIVATE_FOLDER: Final = 0o700
"""Mode of folders made here: when a sensor saw a face is no other user's business."""


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file beside the target and rename it over the target, so that no reader finds half a file.

    With `durable` the content is on the disk on return (fsync). Missing folders are made. Raises OSError.
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
    """Force the names in a folder to the disk: a new or removed file is an entry of its folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some file systems have no fsync for a folder.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_stream(stream: TextIO) -> None:
    """Point the descriptor of a stream that cannot be written to at the null device.

    The stream's buffer still holds a line. Without this Python fails once more when it flushes standard output at
    the end, with a traceback and exit code 120.
    """
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, stream.fileno())
        finally:
            os.close(nothing)
