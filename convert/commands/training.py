"""`emotion-convert train` and `export`: from the data set to a model that ships."""

import argparse
from pathlib import Path
from typing import Final

from convert.commands.common import Subparsers, data_folder_of, data_option, print_line

_RUN: Final = Path("runs/normal")


def add(commands: Subparsers) -> None:
    """Add both subcommands."""
    train = commands.add_parser(
        "train", parents=[data_option()], help="train a model in a run folder; an interrupted run resumes"
    )
    train.add_argument(
        "--recipe",
        default="normal",
        metavar="NAME|FILE",
        help="named recipe, or a recipe's JSON file (default: normal)",
    )
    train.add_argument("--run", type=Path, metavar="DIR", help="run folder (default: runs/RECIPE)")
    train.add_argument(
        "--epochs-scale", type=float, default=1.0, metavar="X", help="factor for every stage's epochs (default: 1)"
    )
    train.add_argument(
        "--teacher", type=Path, metavar="FILE", help="float model from which a recipe such as small learns"
    )
    train.set_defaults(handler=_train)

    export = commands.add_parser(
        "export", parents=[data_option()], help="quantize a run's best model, and write it with its manifest"
    )
    export.add_argument("--run", type=Path, default=_RUN, metavar="DIR", help=f"run folder (default: {_RUN})")
    export.add_argument(
        "--output", type=Path, default=Path("models"), metavar="DIR", help="folder to write to (default: models)"
    )
    export.add_argument("--name", default="normal", help="name of the model (default: normal)")
    export.set_defaults(handler=_export)


def _train(arguments: argparse.Namespace) -> None:
    from convert.training.recipe import find_recipe  # noqa: PLC0415
    from convert.training.train import train  # noqa: PLC0415

    recipe = find_recipe(arguments.recipe)
    if arguments.epochs_scale != 1:
        recipe = recipe.scaled(arguments.epochs_scale)
    folder = arguments.run or Path("runs") / recipe.name
    best = train(recipe, data_folder_of(arguments), folder, print_line, arguments.teacher)
    print_line(f"best model: {best}")


def _export(arguments: argparse.Namespace) -> None:
    from convert.release.export import export  # noqa: PLC0415

    target = arguments.output / f"{arguments.name}.tflite"
    export(arguments.run, data_folder_of(arguments), target, print_line)
    print_line(f"wrote {target}, {target.with_suffix('.json')}, {target.with_suffix('.keras')}")
