"""The command line `emotion-convert`."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from convert.commands import actor, cascade, data, evaluation, event_tuning, quantization, training
from convert.commands.common import load_tensorflow, print_line
from convert.errors import ConvertError, os_error_text
from convert.progress import Heartbeat
from edge.errors import EXIT_INTERRUPTED, EdgeError
from edge.logs.native import relay_native_stderr

_COMMANDS: Final = (training, quantization, data, evaluation, event_tuning, actor, cascade)

EXIT_TERMINATED: Final = 143
"""Exit code after SIGTERM: 128 + SIGTERM, as shells report it."""


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived. Like Ctrl-C it is no Exception, so that nothing on the way takes it for a failure."""


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
    """Run the command line and return the exit code. Errors are one sentence on standard error.

    A command whose parser sets `loads_tensorflow` checks its input first, and loads TensorFlow itself if it must. One
    that sets `last_words`, a function of the arguments, says with it what is left after Ctrl-C or SIGTERM.
    """
    arguments = parser().parse_args(argv)
    try:
        # Whatever must be known arrives as an exception; TensorFlow writes pages of notes beside it.
        with _signals(_terminate, signal.SIGTERM), relay_native_stderr(lambda _: None):
            if not getattr(arguments, "loads_tensorflow", False):
                with Heartbeat(print_line) as beat:
                    load_tensorflow(beat)
            arguments.handler(arguments)
    except (ConvertError, EdgeError) as error:
        sys.stderr.write(f"emotion-convert: {error}\n")
        return getattr(error, "exit_code", 1)
    except OSError as error:
        sys.stderr.write(f"emotion-convert: {os_error_text(error, 'used')}\n")
        return 1
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, _TerminatedError)
        # Who presses Ctrl-C twice must get the words too.
        with _signals(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
            words = _last_words(arguments)
            sys.stderr.write(f"emotion-convert: {'terminated' if terminated else 'interrupted'}{words}\n")
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED
    return 0


def program() -> NoReturn:
    """Run the command line as a program, and end the process.

    After Ctrl-C or SIGTERM it ends at once. An interrupted `fit` leaves threads of TensorFlow behind; where one of them
    is asking Python for the next batch while Python shuts down, each waits for the other for ever.
    """
    code = main()
    if code in {EXIT_INTERRUPTED, EXIT_TERMINATED}:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)


def _last_words(arguments: argparse.Namespace) -> str:
    if not hasattr(arguments, "last_words"):
        return ""
    try:
        return f"; {arguments.last_words(arguments)}"
    except ConvertError as error:
        return f"; {error}"


@contextmanager
def _signals(
    handler: Callable[[int, FrameType | None], NoReturn] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Handle signals by `handler` in this context. Only the main thread can install one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError


if __name__ == "__main__":
    program()
