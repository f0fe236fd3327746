"""The subcommands of `emotion-convert`, one module each: `add` describes it, `run` does it.

What takes time to import is imported in `run`: --help must not wait for TensorFlow.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def say(text: str) -> None:
    """Tell the person at the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def data_parent() -> argparse.ArgumentParser:
    """Return a parent parser with `--data`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of fer2013.npz (else $EMOTION_EDGE_DATA/data, ../shared/data)"
    )
    return parent


def range_parent() -> argparse.ArgumentParser:
    """Return a parent parser with `--range`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=(-1.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="what pixel values 0 and 255 were in training (default -1 1)",
    )
    return parent


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a whole number in a range."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            reach = f"from {least} to {most}" if most is not None else f"of at least {least}"
            msg = f"{text!r} is no whole number {reach}"
            raise argparse.ArgumentTypeError(msg)
        return int(text)

    return read


def data(arguments: argparse.Namespace) -> Path:
    """Return the data folder that was given or is the default. Raises ConvertError where there is none."""
    from convert.data.fer2013 import data_folder  # noqa: PLC0415

    return data_folder(arguments.data)


Commands = Any
"""argparse's `_SubParsersAction`, which has no public name."""
