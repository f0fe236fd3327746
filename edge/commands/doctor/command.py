"""`emotion-edge doctor`: runs every check and prints a line each: ok, warn, or FAIL and what to do."""

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from typing import TextIO

from edge.commands.common import find_origins, find_settings, state_environ, write_line
from edge.commands.doctor.checks import Checks
from edge.commands.doctor.delivery_checks import DeliveryChecks
from edge.commands.doctor.desired_checks import DesiredChecks
from edge.commands.doctor.settings_checks import SettingsChecks
from edge.commands.doctor.system_checks import SystemChecks
from edge.commands.doctor.vision_checks import VisionChecks
from edge.config.loader import Loaded
from edge.config.origins import Origins
from edge.config.schema import Config
from edge.daemon.check import check_settings
from edge.errors import ConfigError, EdgeError
from edge.redact import redacted_text


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Check every part, or those that `--only` or `--skip` leave; returns 0 where all are in order, else 1.

    Raises ConfigError where one of these two names no check.
    """
    settings = find_settings(arguments, config, check_settings)
    config = settings.config
    loaded: Loaded | None = getattr(arguments, "loaded", None)
    service = None if loaded is None else loaded.service
    groups = [
        SystemChecks(config, service=service),
        SettingsChecks(config, settings),
        DesiredChecks(config, os.environ if loaded is None else state_environ(loaded)),
        VisionChecks(config),
        DeliveryChecks(config, service),
    ]
    names = [name for group in groups for name in [*group.by_name(), *group.conditional]]
    option, chosen = ("--only", arguments.only) if arguments.only else ("--skip", arguments.skip)
    for name in chosen:
        if name not in names:
            raise ConfigError(f"{option} {name}: the checks of doctor are {', '.join(dict.fromkeys(names))}")
    skipped = set(names) - set(chosen) if arguments.only else set(chosen)
    return doctor(groups, sys.stdout, skipped, find_origins(arguments))


def doctor(
    groups: Sequence[Checks], stream: TextIO, skipped: Collection[str] = (), origins: Origins | None = None
) -> int:
    """Print a line per check and per warning; returns 0 where all checks succeed, else 1.

    The checks whose names are `skipped` are neither run nor printed. `origins`: of the keys that lines begin with.
    """
    origins = origins or Origins()
    failed = 0
    for group in groups:
        for name, check in group.by_name().items():
            if name in skipped:
                continue
            try:
                line = f"ok    {name:<12} {check()}"
            except EdgeError as error:
                failed += 1
                line = f"FAIL  {name:<12} {origins.named(str(error))}"
            write_line(stream, redacted_text(line))
            for warning in group.take_warnings():
                write_line(stream, redacted_text(f"warn  {name:<12} {origins.named(warning)}"))
    return 1 if failed else 0
