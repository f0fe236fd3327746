"""`emotion-edge run`: runs the sensor until its source ends or a signal stops it."""

import argparse
import sys

from edge.commands.common import (
    add_broker_option,
    add_common_options,
    add_source_option,
    load_config,
    positive_int,
)
from edge.config.schema import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Read frames from a source, and publish an event whenever a face appears, changes its expression or leaves. "
        "Without a broker, events are written to standard output as JSON Lines."
    )
    add_common_options(parser)
    add_source_option(parser)
    add_broker_option(parser)
    parser.add_argument("--fast", action="store_true", help="process a file as fast as possible, not in real time")
    parser.add_argument("--max-frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.add_argument("--preview", action="store_true", help="serve the preview page (sets preview.enabled)")


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Run the daemon; returns the exit code."""
    # OpenCV and the interpreter take a while to load: --help and a refused configuration do not wait for them.
    from edge.daemon.daemon import run_daemon  # noqa: PLC0415

    return run_daemon(
        config,
        fast=arguments.fast,
        max_frames=arguments.max_frames,
        stdout=sys.stdout,
        # Flags hold over the file on a reload too.
        load_config=lambda: load_config(arguments),
    )
