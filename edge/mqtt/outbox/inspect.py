"""What `doctor` says about the outbox, without changing anything: the sensor may be running."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from edge.config.schema import MqttConfig
from edge.config.state_dir import outbox_file
from edge.errors import ConfigError
from edge.mqtt.outbox.store import Store, StoreError

_LOCK_START: Final = 0x40000002
_LOCK_BYTES: Final = 510
"""The bytes of a database on which SQLite locks it (SHARED_FIRST and SHARED_SIZE in its os.h)."""

_MEGABYTE: Final = 1_000_000


def describe_outbox(mqtt: MqttConfig, device: str) -> str:
    """Say where events of `device` wait, how many do, and what becomes of them.

    Raises ConfigError where they cannot be kept, with what to do.
    """
    if not mqtt.url:
        return "none: without a broker no event waits"
    file = outbox_file(mqtt, device)
    if file is None:
        return 'in memory only, as mqtt.outbox_directory = "none" says: what waits is lost with the process'
    # Not Path.exists, which raises where a folder may not be looked into.
    folder = next(path for path in file.parents if os.path.exists(path))  # noqa: PTH110
    try:
        tempfile.TemporaryDirectory(prefix="emotion-edge-doctor-", dir=folder).cleanup()
    except OSError as error:
        msg = (
            f"{file} cannot be written to ({folder}: {error.strerror}), so events that wait would be lost with the "
            "process: make the folder writable for the user of the sensor, or set mqtt.outbox_directory to one that is"
        )
        raise ConfigError(msg) from error
    room = f"{shutil.disk_usage(folder).free / _MEGABYTE:,.0f} MB free"
    if not file.exists():
        return f"events that wait are kept in {file}, which is made at the first start ({room})"
    return f"{_content(file)} ({room})"


def _content(file: Path) -> str:
    try:
        if _in_use(file):
            return f"{file} is in use by the sensor that runs; its health says how many events wait"
        with tempfile.TemporaryDirectory(prefix="emotion-edge-doctor-") as folder:
            copy = Path(folder, file.name)
            # With what a process that was killed has left beside it.
            for suffix in ("", "-wal"):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(part.name))
            store = Store(copy)
            try:
                count = len(store.open())
            finally:
                store.close()
    except (OSError, StoreError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"{file} cannot be read ({reason}): try as the user of the sensor, or with sudo"
        raise ConfigError(msg) from error
    if store.set_aside:
        return f"{file} holds something else than events: it is set aside at the next start"
    return f"{count} event(s) wait in {file}, for the next start"


def _in_use(file: Path) -> bool:
    with file.open("rb") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_START)
        except BlockingIOError:
            return True
    return False
