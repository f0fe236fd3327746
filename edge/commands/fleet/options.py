"""Declares the options of `emotion-edge fleet`, apart from the modules that do the work."""

import argparse

from edge.commands.common import zero_or_positive_int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `fleet` alone takes."""
    parser.description = (
        "Show every device that the broker knows, a line each, the worst first. Exit code 1 where something is wrong."
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on showing, with keys on a terminal, until q or Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per device and line")
    parser.add_argument(
        "--filter",
        default="",
        metavar="FILTER",
        help="show only some devices: patterns of ids, as in 'shop-*', and the words online, stopped, offline, "
        "problem, ok",
    )
    parser.add_argument(
        "--wait",
        type=zero_or_positive_int,
        default=0,
        metavar="SECONDS",
        help="listen at least so long before anything is shown (default: until the broker has sent what it keeps)",
    )
