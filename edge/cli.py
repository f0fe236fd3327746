"""The command line `emotion-edge`: runs the chosen subcommand and turns errors into exit codes."""

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

_EXIT_INTERRUPTED: Final = 130
"""As `edge.errors.EXIT_INTERRUPTED`, which is not loaded yet when a Ctrl-C may come."""
_MODULES: Final = {
    "run": "edge.commands.run",
    "watch": "edge.commands.watch",
    "classify": "edge.commands.classify",
    "config": "edge.commands.config",
    "fleet": "edge.commands.fleet.command",
    "fleet apply": "edge.commands.fleet.apply",
    "summary": "edge.commands.summary",
    "homeassistant": "edge.commands.homeassistant",
    "bench": "edge.commands.bench.command",
    "doctor": "edge.commands.doctor.command",
    "setup": "edge.commands.setup.command",
    "cameras": "edge.commands.cameras.command",
    "service": "edge.commands.service",
    "notice": "edge.commands.notice",
    "archive": "edge.commands.archive",
}
"""Module of each subcommand, with a function `run`. Only that of the chosen one is imported: OpenCV and the
interpreter are slow to load on a small device."""


def main(argv: Sequence[str] | None = None, config_folder: Path | None = None) -> int:
    """Run the command line and return the exit code. Errors are one sentence on standard error.

    `config_folder`: where the services' configurations lie, by default /etc/emotion-edge.
    """
    # What the imports make stays: looking for garbage among it takes 6 % of the time until the command begins.
    gc.disable()
    try:
        # Here, because they take a second on a small device, in which Ctrl-C must give no traceback.
        from edge.commands.arguments import parser  # noqa: PLC0415
        from edge.logs.native import relay_native_stderr  # noqa: PLC0415

        arguments = parser().parse_args(argv)
        arguments.config_folder = config_folder
        with relay_native_stderr():
            return _run(arguments)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    finally:
        gc.enable()


def _run(arguments: argparse.Namespace) -> int:
    from edge.commands.common import find_origins, load_config  # noqa: PLC0415
    from edge.config.schema import Config  # noqa: PLC0415
    from edge.errors import EdgeError  # noqa: PLC0415
    from edge.logs import setup as log_setup  # noqa: PLC0415
    from edge.system.files import discard_stream  # noqa: PLC0415

    log_setup.set_up(arguments.log_level.upper())
    try:
        # `setup` reads the service's own file, and writes it where there is none.
        config = load_config(arguments) if hasattr(arguments, "config") else Config()
        command = import_module(_MODULES[arguments.command])
        gc.enable()
        code: int = command.run(arguments, config)
        sys.stdout.flush()
    except EdgeError as error:
        log_setup.print_error(find_origins(arguments).named(str(error)))
        return error.exit_code
    except BrokenPipeError:
        # The reader of standard output has gone, as in `... | head`. That is no error, and cannot be reported there.
        discard_stream(sys.stdout)
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
