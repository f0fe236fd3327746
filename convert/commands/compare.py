"""`emotion-convert compare`."""

import argparse
from pathlib import Path

from convert.commands import Commands, data, data_parent, range_parent, say


def add(commands: Commands) -> None:
    """Describe the command."""
    compare = commands.add_parser(
        "compare",
        parents=[data_parent(), range_parent()],
        help="compare ways of quantizing a float model, and choose one",
    )
    compare.add_argument(
        "model", nargs="?", type=Path, default=Path("models/normal.keras"), metavar="MODEL", help="file or run folder"
    )
    compare.add_argument(
        "--sets", metavar="A,B,...", help="calibration sets, such as half-500,plain-100 (default: seven of them)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure on PublicTest and print."""
    from convert.quantization.study import (  # noqa: PLC0415
        GRID,
        HEADER,
        Judge,
        choose,
        input_of,
        parse_sets,
        study,
        to_end,
    )
    from convert.runtimes.keras_model import load_float_model  # noqa: PLC0415
    from convert.training.train import BEST  # noqa: PLC0415

    sets = parse_sets(arguments.sets) if arguments.sets is not None else GRID
    folder = data(arguments)
    in_run = arguments.model / BEST
    model = load_float_model(in_run if in_run.is_file() else arguments.model)
    judge = Judge(model, input_of(model, tuple(arguments.range)), folder)
    say(HEADER)
    found = study(judge, folder, sets, say)
    say(to_end(choose(found), judge))
