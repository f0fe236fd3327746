"""Where this sensor keeps what must outlive it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.config.schema import MqttConfig
from edge.errors import ConfigError

MEMORY: Final = "none"
"""`mqtt.outbox_directory` of who wants nothing on disk."""


def outbox_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """File of the events of `device` that wait for the broker; None where they are to stay in memory.

    Sensors of different ids may share a folder: each has a file of its own. Raises ConfigError where
    the configured folder is no folder, or none is configured and there is no home to put it in.
    """
    folder = _folder(mqtt, environ)
    return folder and folder / f"outbox-{device}.sqlite3"


def announced_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """File of the topics on which `device` has announced itself, beside its outbox; see there."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"announced-{device}.txt"


def pause_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """File that is there while `device` is paused, beside its outbox; see there."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"paused-{device}"


def _folder(mqtt: MqttConfig, environ: Mapping[str, str]) -> Path | None:
    if mqtt.outbox_directory == MEMORY:
        return None
    return _configured(mqtt.outbox_directory) if mqtt.outbox_directory else _usual(environ)


def _configured(text: str) -> Path:
    folder = Path(text).expanduser()
    if not folder.is_absolute() or (folder.exists() and not folder.is_dir()):
        msg = f'mqtt.outbox_directory is {text!r}, but must be the full path of a folder, or "{MEMORY}"'
        raise ConfigError(msg)
    return folder


def _usual(environ: Mapping[str, str]) -> Path:
    # systemd names the folder that it made; with several the first is meant for such things.
    service = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if service:
        return Path(service)
    home = environ.get("XDG_STATE_HOME", "")
    # The specification says that a relative path there is to be ignored.
    if home and Path(home).is_absolute():
        return Path(home) / "emotion-edge"
    try:
        return Path.home() / ".local" / "state" / "emotion-edge"
    except RuntimeError:
        msg = (
            f"this user has no home to keep events in: set mqtt.outbox_directory to the full path of a folder, "
            f'or to "{MEMORY}"'
        )
        raise ConfigError(msg) from None
