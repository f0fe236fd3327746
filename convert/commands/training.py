"""`emotion-convert train` and `export`: from the data set to a model that ships."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convert.commands.common import (
    Subparsers,
    data_folder_of,
    data_option,
    load_backend,
    load_tensorflow,
    print_line,
    whole_number,
)
from convert.progress import Heartbeat

if TYPE_CHECKING:
    from convert.training.folds import Fold
    from convert.training.recipe import Recipe

_RUN: Final = Path("runs/normal")
_RECIPES: Final = ("normal", "small", "fer2013", "teacher", "fer2013-teacher", "transfer-head", "smoke", "example")
"""The named recipes, without an import of what they are made of: --help must not wait for it."""


def add(commands: Subparsers) -> None:
    """Add both subcommands."""
    train = commands.add_parser(
        "train", parents=[data_option()], help="train a model in a run folder; an interrupted run resumes"
    )
    train.add_argument(
        "--recipe",
        default="normal",
        metavar="NAME|FILE",
        help=f"{', '.join(_RECIPES)}, or a recipe's TOML or JSON file (default: normal)",
    )
    train.add_argument("--run", type=Path, metavar="DIR", help="run folder (default: runs/RECIPE)")
    train.add_argument(
        "--epochs-scale", type=float, default=1.0, metavar="X", help="factor for every stage's epochs (default: 1)"
    )
    train.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="float model from which a recipe such as small learns; of several the mean",
    )
    train.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="float model of the same network that the run begins with (default: the backbone's published weights)",
    )
    train.add_argument(
        "--workers",
        type=whole_number(0, 256),
        default=0,
        metavar="N",
        help="processes that prepare the pictures, where the network computes on a GPU (default: 0)",
    )
    train.add_argument(
        "--checkpoint-seconds",
        type=whole_number(0),
        metavar="S",
        help="longest time between two checkpoints, which an interruption costs (default: 30)",
    )
    train.add_argument(
        "--fold",
        metavar="I/K",
        help="train without fold I of K of Training, and keep the predictions for it; `evaluate --held-out` pools them",
    )
    train.add_argument(
        "--print-recipe",
        action="store_true",
        help="print the recipe's file and train nothing; `--recipe example` has a comment at each key",
    )
    train.set_defaults(handler=_train, last_words=_last_words, loads_tensorflow=True)

    export = commands.add_parser(
        "export", parents=[data_option()], help="quantize a run's best model, and write it with its manifest"
    )
    export.add_argument("--run", type=Path, default=_RUN, metavar="DIR", help=f"run folder (default: {_RUN})")
    export.add_argument(
        "--output", type=Path, default=Path("models"), metavar="DIR", help="folder to write to (default: models)"
    )
    export.add_argument("--name", default="normal", help="name of the model (default: normal)")
    export.set_defaults(handler=_export, loads_tensorflow=True)


def _recipe_of(arguments: argparse.Namespace) -> tuple["Recipe", Path, "Fold | None"]:
    """Return the recipe, the folder of its run, and the fold that it leaves out."""
    from convert.training.folds import parse_fold  # noqa: PLC0415
    from convert.training.named_recipes import find_recipe  # noqa: PLC0415

    recipe = find_recipe(arguments.recipe)
    if arguments.epochs_scale != 1:
        recipe = recipe.scaled(arguments.epochs_scale)
    fold = parse_fold(arguments.fold) if arguments.fold else None
    if fold is not None:
        recipe = fold.named(recipe)
    return recipe, arguments.run or Path("runs") / recipe.name, fold


def _train(arguments: argparse.Namespace) -> None:
    recipe, folder, fold = _recipe_of(arguments)
    if arguments.print_recipe:
        from convert.training.named_recipes import recipe_text  # noqa: PLC0415

        print_line(recipe_text(arguments.recipe, recipe))
        return
    from convert.training.preparation import prepare  # noqa: PLC0415

    with Heartbeat(print_line) as beat:
        beat.line(f"recipe {recipe.name}: {recipe.summary()}; run folder {folder}")
        beat.status("reading the data set")
        prepared = prepare(recipe, data_folder_of(arguments), folder, arguments.teacher, fold, arguments.start)
        load_backend(beat)
        from convert.training.train import CHECKPOINT_SECONDS, train  # noqa: PLC0415

        seconds = CHECKPOINT_SECONDS if arguments.checkpoint_seconds is None else arguments.checkpoint_seconds
        beat.line(f"best model: {train(prepared, beat, seconds, arguments.workers)}")


def _last_words(arguments: argparse.Namespace) -> str:
    from convert.training.run_folder import last_words  # noqa: PLC0415

    return last_words(*_recipe_of(arguments)[:2])


def _export(arguments: argparse.Namespace) -> None:
    from convert.files import require_writable_folder  # noqa: PLC0415
    from convert.training.run_folder import best_model  # noqa: PLC0415

    best = best_model(arguments.run)
    require_writable_folder(arguments.output, "--output")
    data = data_folder_of(arguments)
    target = arguments.output / f"{arguments.name}.tflite"
    with Heartbeat(print_line) as beat:
        load_tensorflow(beat)
        from convert.release.export import export  # noqa: PLC0415

        beat.status(f"exporting {best}")
        export(arguments.run, data, target, beat)
        beat.line(f"wrote {target}, {target.with_suffix('.json')}, {target.with_suffix('.keras')}")
