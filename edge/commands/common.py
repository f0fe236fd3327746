"""Parses the types of arguments, loads the configuration with a command line's flags, and writes lines."""

import argparse
from typing import Any, Final, TextIO

from edge.config.loader import load_with_origins
from edge.config.origins import Origins
from edge.config.schema import Config

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
    return 0 if text == "0" else positive_int(text)


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

    Notes in `arguments` where its values come from, for `find_origins`.
    """
    arguments.origins = Origins()
    config, arguments.origins = load_with_origins(arguments.config, flags=_flags(arguments))
    return config


def find_origins(arguments: argparse.Namespace) -> Origins:
    """Return where the values come from that `load_config` has loaded last; none where it could not."""
    origins: Origins = getattr(arguments, "origins", Origins())
    return origins


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values that options of a command line set, by dotted key."""
    flags: dict[str, Any] = {}
    if getattr(arguments, "source", None) is not None:
        flags["source.uri"] = arguments.source
    if getattr(arguments, "preview", False):
        flags["preview.enabled"] = True
    if getattr(arguments, "mqtt", None) is not None:
        flags["mqtt.url"] = arguments.mqtt
        # Who names a broker means this one: fallbacks from the file would connect to another.
        flags["mqtt.fallback_urls"] = []
    return flags
