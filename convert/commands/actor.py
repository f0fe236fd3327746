"""`emotion-convert actor`: the composite faces of the built-in actor.

The image is an asset of the package (`edge`'s source `scripted:` draws it), so the default output is its place
in the checkout.
"""

import argparse
from pathlib import Path
from typing import Final

from convert.commands.common import Subparsers, data_folder_of, data_option, print_line

_MODEL: Final = Path("models/normal.keras")
_OUTPUT: Final = Path("edge/assets/actor.png")


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    actor = commands.add_parser(
        "actor", parents=[data_option()], help="build the built-in actor's seven composite faces from FER2013"
    )
    actor.add_argument(
        "--model",
        type=Path,
        default=_MODEL,
        metavar="FILE",
        help=f"float model that selects the faces (default: {_MODEL})",
    )
    actor.add_argument(
        "--output", type=Path, default=_OUTPUT, metavar="PNG", help=f"image to write (default: {_OUTPUT})"
    )
    actor.set_defaults(handler=_actor)


def _actor(arguments: argparse.Namespace) -> None:
    from convert.actor.build import build_actor, write_strip  # noqa: PLC0415
    from convert.runtimes.keras_model import load_float_model  # noqa: PLC0415

    folder = data_folder_of(arguments)
    composites = build_actor(folder, load_float_model(arguments.model), print_line)
    write_strip(composites, arguments.output)
    print_line(f"wrote {arguments.output}")
