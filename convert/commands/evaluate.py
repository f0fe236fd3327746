"""`emotion-convert evaluate`."""

import argparse
import json
import sys
from pathlib import Path

from convert.commands import Commands, data, data_parent


def add(commands: Commands) -> None:
    """Describe the command."""
    evaluate = commands.add_parser("evaluate", parents=[data_parent()], help="measure a model on FER2013 and FER+")
    evaluate.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")
    evaluate.add_argument("--float", type=Path, metavar="FILE", help="float model (default: MODEL's .keras, if there)")
    evaluate.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    from convert.evaluate import evaluate, to_json, to_table  # noqa: PLC0415
    from edge.manifest import find_model  # noqa: PLC0415

    model = find_model(arguments.model)
    beside = model.with_suffix(".keras")
    reference = arguments.float or (beside if beside.exists() else None)
    found = evaluate(model, reference, data(arguments), arguments.split)
    sys.stdout.write(to_table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(to_json(found), indent=2) + "\n", encoding="utf-8")
