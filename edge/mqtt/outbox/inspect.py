"""Describes the outbox for `doctor`, without changing anything: the sensor may be running."""

import contextlib
import os
import tempfile
from pathlib import Path

from edge.config.mqtt_schema import MqttConfig
from edge.config.state_dir import outbox_file
from edge.errors import ConfigError
from edge.mqtt.outbox import room
from edge.mqtt.outbox.snapshot import UnreadableError, in_use, read_snapshot


def describe_outbox(mqtt: MqttConfig, device: str) -> str:
    """Return a sentence: where events of `device` wait for the broker, how many, and whether they outlive the process.

    Raises ConfigError, with what to do, where they cannot be stored.
    """
    if not mqtt.url:
        return "none: without a broker (mqtt.url) no event waits"
    file = outbox_file(mqtt, device)
    if file is None:
        return 'in memory only (mqtt.outbox_directory = "none"): events that wait are lost when the process ends'
    folder = _existing(file)
    if room.no_more_files(folder):
        msg = (
            f"the disk of {folder} has no room for another file (no free inodes), so {file} cannot be written to and "
            "events that wait would be lost when the process ends: delete files there, or set mqtt.outbox_directory to "
            "a folder on another disk"
        )
        raise ConfigError(msg)
    try:
        tempfile.TemporaryDirectory(prefix="emotion-edge-doctor-", dir=folder).cleanup()
        is_there = file.exists()
    except OSError as error:
        msg = (
            f"{file} cannot be written to ({folder}: {error.strerror}), so events that wait would be lost when the "
            "process ends: make the folder writable for the user of the sensor, or set mqtt.outbox_directory to another"
        )
        raise ConfigError(msg) from error
    free = room.free_bytes(folder)
    if free is not None and free < room.LEAST_FREE_BYTES:
        msg = (
            f"{file} cannot be written to: {room.megabytes(free)} are free in {folder}, and it needs "
            f"{room.megabytes(room.LEAST_FREE_BYTES)} before the first event, so events that wait would be lost when "
            "the process ends: make room, or set mqtt.outbox_directory to a folder on another disk"
        )
        raise ConfigError(msg)
    free_text = "free room unknown" if free is None else f"{room.megabytes(free)} free"
    if not is_there:
        return f"events that wait are stored in {file}, which is created at the first start ({free_text})"
    return f"{_describe_content(file)} ({free_text})"


def warn_of_little_room(mqtt: MqttConfig, device: str) -> str | None:
    """Return a sentence where a full outbox of `device` does not fit on its disk; None where it does."""
    file = outbox_file(mqtt, device) if mqtt.url else None
    if file is None:
        return None
    folder = _existing(file)
    free = room.free_bytes(folder)
    if free is None:
        return None
    # What the file takes already is part of what a full outbox takes.
    with contextlib.suppress(OSError):
        free += file.stat().st_size
    needed = room.outbox_bytes(mqtt.outbox_max_events)
    if free >= needed:
        return None
    return (
        f"{room.megabytes(free)} are free for {file}, but {mqtt.outbox_max_events:,} events (mqtt.outbox_max_events) "
        f"need {room.megabytes(needed)}: about {room.events_that_fit(free):,} fit, and what waits beyond that is in "
        "memory only; make room, or lower mqtt.outbox_max_events"
    )


def _existing(file: Path) -> Path:
    """Return the nearest folder above `file` that exists."""
    # Not Path.exists, which raises where a folder may not be searched.
    return next(path for path in file.parents if os.path.exists(path))  # noqa: PTH110


def _describe_content(file: Path) -> str:
    try:
        if in_use(file):
            return f"{file} is in use by a running sensor; outbox_depth in its health is the number of events that wait"
        rows = read_snapshot(file)
    except (OSError, UnreadableError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"{file} cannot be read ({reason}): run doctor as the user of the sensor, or with sudo"
        raise ConfigError(msg) from error
    if rows is None:
        return f"{file} is no outbox: the next start renames it and creates a new one"
    return f"{len(rows)} event(s) wait in {file} for the next start"
