"""Options, argument types and output that several subcommands share, and the configuration of their flags."""

import argparse
from pathlib import Path
from typing import Any, Final, TextIO

from edge.config.loader import load
from edge.config.schema import Config

_LEVELS: Final = ("debug", "info", "warning", "error")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--log-level`, which every subcommand has."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file (default: $EMOTION_EDGE_CONFIG, else no file)"
    )
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="info", help="lowest level logged to standard error (default: info)"
    )


def add_source_option(parser: argparse.ArgumentParser) -> None:
    """Add `--source`."""
    parser.add_argument("--source", metavar="URI", help="source of frames (sets source.uri)")


def add_broker_option(parser: argparse.ArgumentParser) -> None:
    """Add `--mqtt`."""
    parser.add_argument("--mqtt", metavar="URL", help="mqtt://HOST:PORT or mqtts://HOST:PORT (sets mqtt.url)")


def positive_int(text: str) -> int:
    """Parse an argument that is a whole number of at least 1."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def write_line(stream: TextIO, line: str) -> None:
    """Write a line and flush it, because the reader of a pipe wants it at once."""
    stream.write(f"{line}\n")
    stream.flush()


def load_config(arguments: argparse.Namespace) -> Config:
    """Load the configuration, with the flags of a command line over file and environment. Raises ConfigError."""
    flags: dict[str, Any] = {}
    if getattr(arguments, "source", None) is not None:
        flags["source.uri"] = arguments.source
    if getattr(arguments, "preview", False):
        flags["preview.enabled"] = True
    if getattr(arguments, "mqtt", None) is not None:
        flags["mqtt.url"] = arguments.mqtt
    return load(arguments.config, flags=flags)
