"""The command line `emotion-edge`: composes the subcommands and turns errors into exit codes."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

from edge import __version__
from edge.commands.common import load_config
from edge.errors import EXIT_INTERRUPTED, EdgeError
from edge.logs import setup as log_setup
from edge.system.files import discard_stream


class _Command(NamedTuple):
    """A subcommand: the module with its `add_arguments` and `run`, and its line in `--help`."""

    module: str
    summary: str


_COMMANDS: Final = {
    "run": _Command("edge.commands.run", "run the sensor: read a source and publish events"),
    "watch": _Command("edge.commands.watch", "print the events of all devices as they arrive"),
    "classify": _Command("edge.commands.classify", "classify the faces in image files"),
    "config": _Command("edge.commands.config", "check or print the configuration"),
    "homeassistant": _Command("edge.commands.homeassistant", "print or remove the announcement to Home Assistant"),
    "bench": _Command("edge.commands.bench.command", "measure latency and processor time on this machine"),
    "doctor": _Command("edge.commands.doctor", "check every part of the installation"),
}
"""Only the module of the chosen command is imported: `--help` and `watch` load neither OpenCV nor a model."""


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, with the arguments of the chosen command only."""
    parser = argparse.ArgumentParser(
        prog="emotion-edge", description="Emotion sensor: reads a camera and publishes events over MQTT."
    )
    parser.add_argument("--version", action="version", version=f"emotion-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        command_parser = commands.add_parser(name, help=command.summary)
        if name == chosen:
            import_module(command.module).add_arguments(command_parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Errors are one sentence on standard error."""
    texts = list(sys.argv[1:] if argv is None else argv)
    # No option before the command takes a value, so the first other argument is the command.
    chosen = next((text for text in texts if not text.startswith("-")), None)
    arguments = _parser(chosen).parse_args(texts)
    log_setup.set_up(arguments.log_level.upper())
    try:
        config = load_config(arguments)
        code: int = import_module(_COMMANDS[arguments.command].module).run(arguments, config)
        sys.stdout.flush()
    except EdgeError as error:
        log_setup.print_error(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of standard output has gone, as in `... | head`. That is no error, and cannot be reported there.
        discard_stream(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
