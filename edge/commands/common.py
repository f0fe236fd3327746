"""Parses the types of arguments, loads the configuration with a command line's flags, and writes lines."""

import argparse
import os
from collections.abc import Mapping
from typing import Any, Final, TextIO

from edge.config.loader import Loaded, load_tables, tables_of
from edge.config.origins import Origins
from edge.config.schema import Config
from edge.config.settings import SettingsCheck
from edge.control.settings import Settings, create_settings
from edge.desired.beside import over_progress
from edge.desired.machine import Progress
from edge.system.service import CONFIG_FOLDER

BENCH_FRAMES: Final = 300
"""Frames that `bench` counts where neither frames nor seconds are given."""
_MAX_THREADS: Final = 16
"""Maximum number of threads, as in `model.threads`."""


def positive_int(text: str) -> int:
    """Parse an argument that is a whole number of at least 1."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def zero_or_positive_int(text: str) -> int:
    """Parse an argument that is a whole number of at least 0."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def thread_numbers(text: str) -> list[int]:
    """Parse an argument that is a list of different numbers of threads, separated by commas."""
    numbers = [positive_int(part) for part in text.split(",")]
    if max(numbers) > _MAX_THREADS or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of different numbers from 1 to {_MAX_THREADS}")
    return numbers


def names_list(text: str) -> list[str]:
    """Parse an argument that is a list of names, separated by commas."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names separated by commas")
    return names


def write_line(stream: TextIO, line: str) -> None:
    """Write a line and flush it, because the reader of a pipe wants it at once."""
    stream.write(f"{line}\n")
    stream.flush()


def load_config(arguments: argparse.Namespace) -> Config:
    """Load the configuration, with the flags of a command line over file and environment. Raises ConfigError.

    Notes in `arguments` what it has loaded, for `find_loaded`, `find_settings` and `find_origins`.
    """
    return load_tables_of(arguments).config()


def load_tables_of(arguments: argparse.Namespace) -> Loaded:
    """Load what `load_config` makes a configuration of. Raises ConfigError."""
    arguments.loaded = None
    folder = getattr(arguments, "config_folder", None) or CONFIG_FOLDER
    arguments.loaded = loaded = load_tables(arguments.config, flags=_flags(arguments), folder=folder)
    return loaded


def find_loaded(arguments: argparse.Namespace) -> Loaded:
    """Return what was loaded last, without what requests have set."""
    loaded: Loaded = arguments.loaded
    return loaded


def find_settings(arguments: argparse.Namespace, config: Config, check: SettingsCheck | None = None) -> Settings:
    """Return what requests have set over `config`, which was loaded last, and over what the fleet has the sensor run.

    `check`: as of `Settings`.

    For the service's file they are the service's settings, also where this process is not the service. Raises
    ConfigError if `mqtt.outbox_directory` cannot be used.
    """
    loaded = getattr(arguments, "loaded", None) or tables_of(config)
    environ = state_environ(loaded)
    loaded, arguments.fleet = over_progress(loaded, environ)
    return create_settings(loaded, check, environ)


def find_fleet(arguments: argparse.Namespace) -> Progress | None:
    """Return how far the sensor has come with the fleet's document, as `find_settings` has read it; else None."""
    progress: Progress | None = getattr(arguments, "fleet", None)
    return progress


def state_environ(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment that names the state folder of the sensor whose configuration was loaded.

    For a service's file this is the service's folder, also where this process is not the service.
    """
    if loaded.service is None or "STATE_DIRECTORY" in environ:
        return environ
    return {**environ, "STATE_DIRECTORY": str(loaded.service.state_folder)}


def find_origins(arguments: argparse.Namespace) -> Origins:
    """Return where the values come from that `load_config` has loaded last; none where it could not."""
    loaded: Loaded | None = getattr(arguments, "loaded", None)
    return Origins() if loaded is None else loaded.origins


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values that options of a command line set, by dotted key."""
    flags: dict[str, Any] = {}
    if getattr(arguments, "source", None) is not None:
        flags["source.uri"] = arguments.source
    if getattr(arguments, "preview", False):
        flags["preview.enabled"] = True
    if getattr(arguments, "mqtt", None) is not None:
        flags["mqtt.url"] = arguments.mqtt
        # Who names a broker means this one: others from the file would connect to another.
        flags["mqtt.urls"] = []
        flags["mqtt.fallback_urls"] = []
    # Other commands have a `name` of another meaning.
    if getattr(arguments, "command", None) == "archive":
        given = {key: getattr(arguments, key) for key in ("store", "name", "group")}
        flags |= {f"archive.{key}": value for key, value in given.items() if value is not None}
    return flags
