"""Names the files that outlive the process: outbox, announced topics, archive, pause mark, settings, and so on."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.system.files import expanded

MEMORY: Final = "none"
"""Value of `mqtt.outbox_directory` that keeps events in memory only."""


def outbox_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the outbox of `device`; None where events stay in memory.

    Sensors with different ids may share a folder: each has a file of its own. Raises ConfigError where the configured
    folder is not a folder, or none is configured and the user has no home.
    """
    folder = _folder(mqtt, environ)
    return folder and folder / f"outbox-{device}.sqlite3"


def announced_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the topics on which `device` has announced itself. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"announced-{device}.txt"


def announced_zones_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the zones that `device` has announced. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"announced-{device}.zones"


def pause_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that exists while `device` is paused. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"paused-{device}"


def summary_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the summaries of `device`. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"summary-{device}.sqlite3"


def archive_file(mqtt: MqttConfig, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the archive of all sensors of a broker. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / "archive.sqlite3"


def settings_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of what requests have set on `device`. Folder and errors: see `outbox_file`.

    Not beside the configuration: the service may write to its state folder alone (systemd/emotion-edge.service).
    """
    folder = _folder(mqtt, environ)
    return folder and folder / f"settings-{device}.json"


def calm_face_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the calm face of the place of `device`. Folder and errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"calm-face-{device}.json"


def desired_folder(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of what the fleet has `device` run: its state and models. Errors: see `outbox_file`."""
    folder = _folder(mqtt, environ)
    return folder and folder / f"desired-{device}"


def run_record_file(mqtt: MqttConfig, device: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file, in memory, of how many events `device` has decided; None where there is no folder for it.

    Its name holds the folder of the outbox, because sensors with the same id may have outboxes of their own.
    """
    # systemd names the folders of RuntimeDirectory= as those of StateDirectory=.
    service = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    user = environ.get("XDG_RUNTIME_DIR", "")
    if not service and not Path(user).is_absolute():
        return None
    folder = Path(service) if service else Path(user) / "emotion-edge"
    outbox = zlib.crc32(str(_folder(mqtt, environ)).encode(errors="surrogateescape"))
    return folder / f"events-{device}-{outbox:08x}"


def _folder(mqtt: MqttConfig, environ: Mapping[str, str]) -> Path | None:
    if mqtt.outbox_directory == MEMORY:
        return None
    return _configured_folder(mqtt.outbox_directory) if mqtt.outbox_directory else _default_folder(environ)


def _configured_folder(text: str) -> Path:
    folder = expanded(text)
    # Not Path.exists, which raises where a folder may not be searched: the outbox reports that, as a full disk.
    is_file = os.path.exists(folder) and not os.path.isdir(folder)  # noqa: PTH110, PTH112
    if not folder.is_absolute() or is_file:
        msg = f'mqtt.outbox_directory is {text!r}, but must be the full path of a folder, or "{MEMORY}"'
        raise ConfigError(msg)
    return folder


def _default_folder(environ: Mapping[str, str]) -> Path:
    # systemd names the folders of StateDirectory=, separated by colons; the first one is the main one.
    service = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if service:
        return Path(service)
    home = environ.get("XDG_STATE_HOME", "")
    # The XDG base directory specification has programs ignore a relative path.
    if home and Path(home).is_absolute():
        return Path(home) / "emotion-edge"
    try:
        return Path.home() / ".local" / "state" / "emotion-edge"
    except RuntimeError:
        msg = (
            f"this user has no home folder for the outbox: set mqtt.outbox_directory to the full path of a folder, "
            f'or to "{MEMORY}"'
        )
        raise ConfigError(msg) from None
