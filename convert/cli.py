"""The command `emotion-convert`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from convert.commands import actor, compare, evaluate, events, export, family, margin, quantize, train
from convert.errors import ConvertError
from edge.errors import EdgeError

_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""
_COMMANDS: Final = {
    "train": train,
    "export": export,
    "quantize": quantize,
    "compare": compare,
    "evaluate": evaluate,
    "margin": margin,
    "family": family,
    "events": events,
    "actor": actor,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emotion-convert", description="Train, quantize, evaluate and export models for emotion-edge."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS.values():
        module.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Errors are one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        from convert.tensorflow import require_tensorflow  # noqa: PLC0415

        require_tensorflow()
        _COMMANDS[arguments.command].run(arguments)
    except (ConvertError, EdgeError) as error:
        sys.stderr.write(f"emotion-convert: {error}\n")
        return getattr(error, "exit_code", 1)
    except OSError as error:
        sys.stderr.write(f"emotion-convert: {error.filename or 'file'} cannot be used: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        resumes = "; the same command goes on from the last whole epoch" if arguments.command == "train" else ""
        sys.stderr.write(f"emotion-convert: interrupted{resumes}\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
