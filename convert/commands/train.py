"""`emotion-convert train`."""

import argparse
from pathlib import Path

from convert.commands import Commands, data, data_parent, say


def add(commands: Commands) -> None:
    """Describe the command."""
    train = commands.add_parser("train", parents=[data_parent()], help="train into a run folder; resumes what is there")
    train.add_argument("--recipe", default="normal", metavar="NAME|FILE", help="named recipe, or a recipe's JSON")
    train.add_argument("--run", type=Path, metavar="DIR", help="run folder (default runs/RECIPE)")
    train.add_argument("--epochs-scale", type=float, default=1.0, metavar="X", help="multiply every stage's epochs")
    train.add_argument(
        "--teacher", type=Path, metavar="FILE", help="float model that a recipe such as small learns from"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train, or go on training."""
    from convert.training.recipe import find_recipe  # noqa: PLC0415
    from convert.training.train import train  # noqa: PLC0415

    recipe = find_recipe(arguments.recipe)
    if arguments.epochs_scale != 1:
        recipe = recipe.scaled(arguments.epochs_scale)
    folder = arguments.run or Path("runs") / recipe.name
    say(f"best model: {train(recipe, data(arguments), folder, say, arguments.teacher)}")
