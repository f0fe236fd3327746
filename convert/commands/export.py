"""`emotion-convert export`."""

import argparse
from pathlib import Path
from typing import Final

from convert.commands import Commands, data, data_parent, say

_RUN: Final = Path("runs/normal")


def add(commands: Commands) -> None:
    """Describe the command."""
    export = commands.add_parser("export", parents=[data_parent()], help="make a run's best model the one that ships")
    export.add_argument("--run", type=Path, default=_RUN, metavar="DIR", help=f"run folder (default {_RUN})")
    export.add_argument("--output", type=Path, default=Path("models"), metavar="DIR", help="folder (default models)")
    export.add_argument("--name", default="normal", help="name of the model (default normal)")


def run(arguments: argparse.Namespace) -> None:
    """Quantize, calibrate, write the manifest."""
    from convert.release.export import export  # noqa: PLC0415

    target = arguments.output / f"{arguments.name}.tflite"
    export(arguments.run, data(arguments), target, say)
    say(f"wrote {target}, {target.with_suffix('.json')}, {target.with_suffix('.keras')}")
