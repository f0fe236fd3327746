"""`emotion-convert margin`."""

import argparse
import sys

from convert.commands import Commands, data, data_parent


def add(commands: Commands) -> None:
    """Describe the command."""
    margin = commands.add_parser(
        "margin", parents=[data_parent()], help="measure crop margins through the real detector"
    )
    margin.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")


def run(arguments: argparse.Namespace) -> None:
    """Measure on PublicTest and print."""
    from convert.data.fer2013 import clean_split  # noqa: PLC0415
    from convert.evaluation.crop_margin import study_margin, to_table  # noqa: PLC0415
    from convert.runtimes.tflite import Int8Model  # noqa: PLC0415
    from edge.manifest import find_model, load_manifest  # noqa: PLC0415

    model = find_model(arguments.model)
    manifest = load_manifest(model)
    split, _ = clean_split(data(arguments), "PublicTest")
    split = split.take(split.leader >= 0)
    sys.stdout.write(to_table(study_margin(split, split.leader, Int8Model(model.read_bytes()), manifest.input)))
