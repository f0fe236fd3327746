"""`emotion-convert family`."""

import argparse
import sys
from pathlib import Path

from convert.commands import Commands


def add(commands: Commands) -> None:
    """Describe the command."""
    family = commands.add_parser("family", help="compare what a folder's models cost and are worth")
    family.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="folder (default models)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    from convert.evaluation.model_family import study_family, to_table  # noqa: PLC0415

    sys.stdout.write(to_table(study_family(arguments.models)))
