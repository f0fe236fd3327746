"""Declares the actions of `emotion-edge fleet` and their options, apart from the modules that do the work."""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

Add = Callable[[argparse.ArgumentParser], object]
"""Adds options that several commands have."""

APPLY: Final = "fleet apply"
"""Name of the action among the modules of `edge.cli`."""
_STAGES: Final = (5.0, 25.0, 100.0)
_STOP_AT: Final = 0.1
_SETTLE_MINUTES: Final = 20.0
"""The trial takes ten minutes by default, and a model has to be fetched and checked before."""


def add_actions(parser: argparse.ArgumentParser, *common: Add) -> None:
    """Add the actions of `emotion-edge fleet`, which shows the devices without one. `common`: options of each."""
    actions = parser.add_subparsers(dest="action", required=False, metavar="ACTION")
    _add_apply(actions.add_parser("apply", help="publish a signed document of what the devices should run"), common)


def _add_apply(parser: argparse.ArgumentParser, common: tuple[Add, ...]) -> None:
    parser.description = (
        "Sign a document of what devices should run, publish it stage by stage, and follow what they make of it. Where "
        "too many devices of a stage fail, what was before is published for all, and the exit code is 1."
    )
    for add in common:
        add(parser)
    for option in parser._actions:  # noqa: SLF001 - no other way: what stands before the action must count
        if option.dest != "help":
            option.default = argparse.SUPPRESS
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="document, as .toml or .json (docs/desired.md)"
    )
    what.add_argument(
        "--withdraw", action="store_true", help="publish a document without content: every device runs its own values"
    )
    what.add_argument(
        "--status", action="store_true", help="print the document in force and what the devices make of it"
    )
    parser.add_argument(
        "--key", type=Path, metavar="KEY", help="private key that signs, or a public one whose private one an agent has"
    )
    parser.add_argument(
        "--stages",
        type=percentages,
        default=list(_STAGES),
        metavar="P[,P...]",
        help="shares of the devices in percent, one stage after the other (default: 5,25,100)",
    )
    parser.add_argument(
        "--stop-at",
        type=share,
        default=_STOP_AT,
        metavar="SHARE",
        help="share of a stage's devices that may fail, from 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--settle",
        type=minutes,
        default=_SETTLE_MINUTES,
        metavar="MINUTES",
        help="time that a stage may take; a device that is not done by then has failed (default: %(default)g)",
    )
    parser.add_argument(
        "--signers", type=Path, metavar="FILE", help="those who may have signed what is there (default: --key alone)"
    )
    parser.add_argument(
        "--identity", default="fleet", metavar="NAME", help="their name in that file (default: %(default)s)"
    )
    parser.add_argument("--counter", type=counter, metavar="N", help="counter of the document (default: the next one)")
    parser.add_argument(
        "--discard",
        action="store_true",
        help="take what is there for nothing, where it is not signed or cannot be read",
    )
    parser.set_defaults(command=APPLY)


def percentages(text: str) -> list[float]:
    """Parse an argument that is a list of rising percentages, separated by commas."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    rising = all(one < other for one, other in pairwise(numbers))
    if not numbers or not rising or not all(0 < number <= 100 for number in numbers):  # noqa: PLR2004 - percent
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of rising percentages such as 5,25,100")
    return numbers


def share(text: str) -> float:
    """Parse an argument that is a share from 0 to 1."""
    return _number(text, 0, 1, "a share from 0 to 1")


def minutes(text: str) -> float:
    """Parse an argument that is a time in minutes."""
    return _number(text, 0.01, 10_000, "a number of minutes from 0.01 to 10000")


def counter(text: str) -> int:
    """Parse an argument that is a counter."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < 2**52:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _number(text: str, least: float, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number
