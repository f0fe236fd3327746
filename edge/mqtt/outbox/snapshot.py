"""Reads the outbox file without changing it: from a copy, for `doctor` and for a disk that cannot be written to."""

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import Final

from edge.mqtt.outbox.queue import StoredRow
from edge.mqtt.outbox.store import Store, StoreError

_LOCK_START: Final = 0x40000002
_LOCK_BYTES: Final = 510
"""The byte range that SQLite locks in a database file (SHARED_FIRST and SHARED_SIZE in its os.h)."""


class UnreadableError(Exception):
    """The file cannot be read; the message is the reason, without the file's name."""


def in_use(file: Path) -> bool:
    """Return whether a running sensor has `file` open. Raises OSError where it cannot be read."""
    with file.open("rb") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_START)
        except BlockingIOError:
            return True
    return False


def read_snapshot(file: Path, machine_boot: str | None = None) -> list[StoredRow] | None:
    """Return the events in `file`, oldest first; None where it is no outbox. `machine_boot`: as in `Store`.

    Raises UnreadableError. The file must not be in use.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="emotion-edge-outbox-") as folder:
            copy = Path(folder, file.name)
            # With the write-ahead log that a killed process has left beside it.
            for suffix in ("", "-wal"):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(part.name))
            store = Store(copy, machine_boot=machine_boot)
            try:
                rows = store.open()
            finally:
                store.close()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    except StoreError as error:
        raise UnreadableError(str(error)) from error
    return None if store.set_aside else rows
