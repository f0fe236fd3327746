"""The command line `emotion-convert`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from convert.commands import actor, evaluation, event_tuning, quantization, training
from convert.errors import ConvertError, os_error_text
from edge.errors import EXIT_INTERRUPTED, EdgeError
from edge.logs.native import relay_native_stderr

_COMMANDS: Final = (training, quantization, evaluation, event_tuning, actor)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="emotion-convert", description="Train, quantize, evaluate and export models for emotion-edge."
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Errors are one sentence on standard error."""
    arguments = parser().parse_args(argv)
    try:
        from convert.tensorflow import require_tensorflow  # noqa: PLC0415 - --help must not load its package

        # Whatever must be known arrives as an exception; TensorFlow writes pages of notes beside it.
        with relay_native_stderr(lambda _: None):
            require_tensorflow()
            arguments.handler(arguments)
    except (ConvertError, EdgeError) as error:
        sys.stderr.write(f"emotion-convert: {error}\n")
        return getattr(error, "exit_code", 1)
    except OSError as error:
        sys.stderr.write(f"emotion-convert: {os_error_text(error, 'used')}\n")
        return 1
    except KeyboardInterrupt:
        resumes = "; the same command resumes after the last whole epoch" if arguments.command == "train" else ""
        sys.stderr.write(f"emotion-convert: interrupted{resumes}\n")
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
