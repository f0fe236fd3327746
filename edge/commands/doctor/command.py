"""`emotion-edge doctor`: runs every check and prints a line each: ok, warn, or FAIL and what to do."""

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from edge.commands.common import write_line
from edge.commands.doctor.checks import Checks
from edge.commands.doctor.delivery_checks import DeliveryChecks
from edge.commands.doctor.system_checks import SystemChecks
from edge.commands.doctor.vision_checks import VisionChecks
from edge.config.schema import Config
from edge.errors import EdgeError


def run(_: argparse.Namespace, config: Config) -> int:
    """Check every part; returns 0 where all are in order, else 1."""
    return doctor([SystemChecks(config), VisionChecks(config), DeliveryChecks(config)], sys.stdout)


def doctor(groups: Sequence[Checks], stream: TextIO) -> int:
    """Print a line per check and per warning; returns 0 where all checks succeed, else 1."""
    failed = 0
    for group in groups:
        for name, check in group.by_name().items():
            try:
                line = f"ok    {name:<12} {check()}"
            except EdgeError as error:
                failed += 1
                line = f"FAIL  {name:<12} {error}"
            write_line(stream, line)
            for warning in group.take_warnings():
                write_line(stream, f"warn  {name:<12} {warning}")
    return 1 if failed else 0
