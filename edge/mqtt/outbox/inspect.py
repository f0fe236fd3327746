"""Describes the outbox for `doctor`, without changing anything: the sensor may be running."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from edge.config.mqtt_schema import MqttConfig
from edge.config.state_dir import outbox_file
from edge.errors import ConfigError
from edge.mqtt.outbox.store import Store, StoreError

_LOCK_START: Final = 0x40000002
_LOCK_BYTES: Final = 510
"""The byte range that SQLite locks in a database file (SHARED_FIRST and SHARED_SIZE in its os.h)."""

_MEGABYTE: Final = 1_000_000


def describe_outbox(mqtt: MqttConfig, device: str) -> str:
    """Return a sentence: where events of `device` wait for the broker, how many, and whether they outlive the process.

    Raises ConfigError, with what to do, where they cannot be stored.
    """
    if not mqtt.url:
        return "none: without a broker (mqtt.url) no event waits"
    file = outbox_file(mqtt, device)
    if file is None:
        return 'in memory only (mqtt.outbox_directory = "none"): events that wait are lost when the process ends'
    # Not Path.exists, which raises where a folder may not be searched.
    folder = next(path for path in file.parents if os.path.exists(path))  # noqa: PTH110
    try:
        tempfile.TemporaryDirectory(prefix="emotion-edge-doctor-", dir=folder).cleanup()
    except OSError as error:
        msg = (
            f"{file} cannot be written to ({folder}: {error.strerror}), so events that wait would be lost when the "
            "process ends: make the folder writable for the user of the sensor, or set mqtt.outbox_directory to another"
        )
        raise ConfigError(msg) from error
    room = f"{shutil.disk_usage(folder).free / _MEGABYTE:,.0f} MB free"
    if not file.exists():
        return f"events that wait are stored in {file}, which is created at the first start ({room})"
    return f"{_describe_content(file)} ({room})"


def _describe_content(file: Path) -> str:
    try:
        if _in_use(file):
            return f"{file} is in use by a running sensor; outbox_depth in its health is the number of events that wait"
        with tempfile.TemporaryDirectory(prefix="emotion-edge-doctor-") as folder:
            copy = Path(folder, file.name)
            # With the write-ahead log that a killed process has left beside it.
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
        msg = f"{file} cannot be read ({reason}): run doctor as the user of the sensor, or with sudo"
        raise ConfigError(msg) from error
    if store.set_aside:
        return f"{file} is no outbox: the next start renames it and creates a new one"
    return f"{count} event(s) wait in {file} for the next start"


def _in_use(file: Path) -> bool:
    with file.open("rb") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_START)
        except BlockingIOError:
            return True
    return False
