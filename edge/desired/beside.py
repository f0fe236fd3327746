"""Reads what the fleet has a sensor run, for commands beside it and for its start. Loads no library that is slow."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.config.loader import Loaded
from edge.config.schema import Config
from edge.config.state_dir import MEMORY, desired_folder
from edge.desired.machine import Progress
from edge.desired.overlay import overlaid
from edge.desired.state_file import StateFile
from edge.errors import ConfigError
from edge.system import board

_LOG: Final = logging.getLogger(__name__)


def read_progress(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> Progress | None:
    """Return how far the sensor of a configuration has come, for commands beside it; None where [desired] is off.

    Raises ConfigError where the state cannot be read.
    """
    folder = _followed_folder(loaded, environ)
    return None if folder is None else _progress_in(folder)


def over_progress(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> tuple[Loaded, Progress | None]:
    """Return what was loaded with what the fleet has the sensor run, for commands beside it, and how far it has come.

    What cannot be read or does not fit is left out, and logged.
    """
    try:
        folder = _followed_folder(loaded, environ)
        if folder is None:
            return loaded, None
        progress = _progress_in(folder)
        return overlaid(loaded, progress.in_force, folder), progress
    except ConfigError as error:
        _LOG.warning("what the fleet has this sensor run is left out here: %s", error)
        return loaded, None


def _followed_folder(loaded: Loaded, environ: Mapping[str, str]) -> Path | None:
    """Return the state folder of a sensor that follows the fleet; None of one that does not."""
    config = loaded.config()
    if not config.desired.enabled or not config.mqtt.url:
        return None
    return state_folder(config, board.device_id(config.device.id), environ)


def _progress_in(folder: Path) -> Progress:
    return StateFile(folder).read() or Progress()


def state_folder(config: Config, device: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the state of the fleet's documents is kept. Raises ConfigError where there is no such place."""
    folder = desired_folder(config.mqtt, device, environ)
    if folder is None:
        raise ConfigError(
            f'desired.enabled is true, but mqtt.outbox_directory is "{MEMORY}": the counter that keeps old documents '
            "out must outlive a restart, so name a folder there"
        )
    return folder
