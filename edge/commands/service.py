"""`emotion-edge service`: what concerns the installed service as such, and needs root.

The work is done by a shell program that the installation puts beside the environment: the check runs as the service
runs, in a unit of systemd's, and the installation itself uses the same lines.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.system.service import named_service

PROGRAM: Final = Path(sys.prefix, "share", "emotion-edge", "service")
"""Where `systemd/install` and the Debian package put it (systemd/steps.sh)."""


def run(arguments: argparse.Namespace, config: Config, program: Path = PROGRAM) -> int:  # noqa: ARG001 - of every command
    """Replace this process by the program.

    Raises ConfigError where this is no installed service's environment, or the name is none of an instance.
    """
    instance = named_service(arguments.name).name
    if not program.is_file():
        msg = f"{program} is missing: this program runs from {sys.prefix}, where no service is installed"
        raise ConfigError(f"{msg} (docs/install.md); `emotion-edge doctor` checks it as it is")
    sys.stdout.flush()
    # Descriptor 2 leads to a thread of this process (`edge.logs.native`), which ends now.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(sys.stderr.fileno(), 2)
    os.execv("/bin/sh", ["sh", str(program), arguments.action, *([instance] if instance else [])])  # noqa: S606 - no shell expands them
