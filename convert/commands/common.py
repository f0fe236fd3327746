"""Options, argument types and output that several subcommands share."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convert.progress import Heartbeat

Subparsers = Any
"""argparse's `_SubParsersAction`, which has no public name."""


def print_line(text: str) -> None:
    """Print a line on standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def load_tensorflow(beat: Heartbeat) -> None:
    """Import TensorFlow and Keras, which takes from seconds to a minute. Raises ConvertError where one is missing."""
    from convert.tensorflow import require_tensorflow  # noqa: PLC0415 - --help must not load its package

    beat.status("loading TensorFlow")
    require_tensorflow()


def load_backend(beat: Heartbeat) -> None:
    """Import Keras with the backend that KERAS_BACKEND names. Raises ConvertError where that is not possible."""
    from convert.keras_backend import BACKENDS, chosen_backend, require_backend  # noqa: PLC0415

    name = chosen_backend()
    beat.status(f"loading {BACKENDS[name]}")
    require_backend(name)


def data_option() -> argparse.ArgumentParser:
    """Return a parent parser with `--data`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of fer2013.npz, which `emotion-convert data` makes (default: $EMOTION_EDGE_DATA/data, else data)",
    )
    return parent


def range_option() -> argparse.ArgumentParser:
    """Return a parent parser with `--range`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=(-1.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="values of pixels 0 and 255 in training (default: -1 1)",
    )
    return parent


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the optional argument MODEL, the name or path of a .tflite."""
    parser.add_argument(
        "model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path (default: normal)"
    )


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return an argument type for whole numbers from `minimum` to `maximum`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum or (maximum is not None and int(text) > maximum):
            limits = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
            msg = f"{text!r} is not a whole number {limits}"
            raise argparse.ArgumentTypeError(msg)
        return int(text)

    return parse


def data_folder_of(arguments: argparse.Namespace) -> Path:
    """Return the data folder of `--data` or the default. Raises ConvertError where it has no fer2013.npz."""
    from convert.data.fer2013 import data_folder  # noqa: PLC0415

    return data_folder(arguments.data)
