"""`emotion-edge run`: runs the sensor until its source ends or a signal stops it.

`edge.daemon.wiring` builds the parts, `edge.daemon.daemon` holds the loop that moves frames through them.

Exit codes:
    0: the source ended, or a signal ended the run
    1: a stage failed, or events were lost
    2: the configuration cannot be used, or another sensor on this machine has the device id
"""

import argparse
import contextlib
import os
import sys

from edge.commands.common import find_loaded, find_origins, load_tables_of
from edge.config.loader import Loaded
from edge.config.schema import Config
from edge.control.settings import create_settings
from edge.daemon.check import check_settings
from edge.daemon.daemon import Daemon
from edge.daemon.run_log import RunLog
from edge.daemon.single_instance import claim_device
from edge.daemon.wiring import build_components
from edge.desired.desired import create_desired
from edge.desired.needs import log_desired_use
from edge.logs.setup import is_terminal
from edge.system.service import refuse_reserved_instance
from edge.system.signals import install_handlers


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Build the sensor and run it; returns the exit code. Raises EdgeError, and any error of a stage.

    `arguments`: `fast` processes a file as fast as possible, `max_frames` ends the run after that many frames (None:
    no limit), the rest overrides configuration keys.

    Signals:
        SIGTERM, SIGINT: end the sensor after the frame in hand
        SIGHUP: load the configuration again, with the same flags over file and environment
    """
    refuse_reserved_instance()
    desired = create_desired(find_loaded(arguments), check_settings)
    log_desired_use(find_loaded(arguments).config())

    def with_fleet(loaded: Loaded) -> Loaded:
        """Put what the fleet wants over what was loaded."""
        return loaded if desired is None else desired.over(loaded)

    settings = create_settings(with_fleet(find_loaded(arguments)), check_settings)
    config = settings.config

    def load_again() -> Config:
        """Load the configuration for a reload; flags hold over the file then too, then the fleet's, then requests'."""
        return settings.offer(with_fleet(load_tables_of(arguments)))

    # Before the camera is opened: the message about the id says more than one about a camera that is in use.
    with claim_device(config), contextlib.nullcontext() if desired is None else desired.running():
        source_given = find_origins(arguments).of("source", "uri") is not None
        run_log = RunLog(terminal=is_terminal(sys.stderr), source_given=source_given)
        run_log.starting(config)
        components = build_components(
            config,
            fast=arguments.fast,
            stdout=sys.stdout,
            run_log=run_log,
            settings=settings,
            # Nobody watches a service: it goes on where another one has the port of its page. A person gets an error.
            wait_for_port="NOTIFY_SOCKET" in os.environ,
            desired=desired,
        )
        daemon = Daemon(
            config,
            components,
            fast=arguments.fast,
            max_frames=arguments.max_frames,
            load_config=load_again,
            with_origin=lambda sentence: find_origins(arguments).named(sentence),
        )
        # Before the start: a signal that arrives while a camera opens must end the program cleanly too.
        install_handlers(daemon.stop, daemon.reload)
        return daemon.run()
