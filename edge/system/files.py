"""Writes files atomically, syncs folders, and helps output streams that cannot be written to."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

_PRIVATE_FOLDER: Final = 0o700
"""Mode of new folders: other users must not learn when the sensor saw a face."""


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Create or replace a file with what `write` writes to the path that it is given, so that no reader finds a part.

    `write` gets a path in the same folder with the same suffix; the file is then renamed over `path`. With `durable`
    its content is on the disk before that (fsync). What is no file, such as /dev/stdout, cannot be replaced: `write`
    gets its path. Raises OSError, and what `write` raises.
    """
    if path.exists() and not path.is_file():
        write(path)
        return
    partial = path.with_name(f".partial-{path.name}")
    write(partial)
    if durable:
        with partial.open("rb") as file:
            os.fsync(file.fileno())
    partial.replace(path)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Create or replace a state file with `content`; see `replace_file`. Missing folders are created."""
    path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    replace_file(path, lambda partial: partial.write_bytes(content), durable=durable)


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


def escape_what_cannot_be_shown(stream: TextIO) -> None:
    """Have a stream write a character that its encoding lacks as an escape, where Python would raise.

    For text that people read: a locale of a small device may know ASCII alone.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def expanded(path: str) -> Path:
    """Return a path in which a leading `~` or `~USER` is replaced by the home folder.

    A user that this machine does not have is left as it stands, where pathlib raises: such a file does not exist, and
    is reported as that.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
