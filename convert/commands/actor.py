"""`emotion-convert actor`."""

import argparse
from pathlib import Path
from typing import Final

from convert.commands import Commands, data, data_parent, say

_ACTOR: Final = Path("edge/assets/actor.png")


def add(commands: Commands) -> None:
    """Describe the command."""
    actor = commands.add_parser(
        "actor", parents=[data_parent()], help="make the scripted actor's seven composite faces"
    )
    actor.add_argument(
        "--model", type=Path, default=Path("models/normal.keras"), metavar="FILE", help="float model that selects faces"
    )
    actor.add_argument("--output", type=Path, default=_ACTOR, metavar="PNG", help=f"picture (default {_ACTOR})")


def run(arguments: argparse.Namespace) -> None:
    """Select, average, write."""
    from convert.actor.build import make_actor, write_strip  # noqa: PLC0415
    from convert.runtimes.keras_model import load_float_model  # noqa: PLC0415

    composites = make_actor(data(arguments), load_float_model(arguments.model), say)
    write_strip(composites, arguments.output)
    say(f"wrote {arguments.output}")
