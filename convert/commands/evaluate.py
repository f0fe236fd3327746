"""`emotion-convert evaluate`."""

import argparse
import json
import sys
from pathlib import Path

from convert.commands import Commands, data, data_parent, say, whole_number


def add(commands: Commands) -> None:
    """Describe the command."""
    evaluate = commands.add_parser("evaluate", parents=[data_parent()], help="measure a model on FER2013 and FER+")
    evaluate.add_argument("model", nargs="?", default="normal", metavar="MODEL", help="shipped name or .tflite path")
    evaluate.add_argument("--float", type=Path, metavar="FILE", help="float model (default: MODEL's .keras, if there)")
    evaluate.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    evaluate.add_argument(
        "--quick", action="store_true", help="only Keras and int8 on the clean split: no robustness, detector"
    )
    evaluate.add_argument(
        "--sample", type=whole_number(1), metavar="N", help="measure N images of the split, drawn at random"
    )
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    evaluate.add_argument(
        "--report", type=Path, metavar="DIR", help="write index.html, figures.json and errors.html (shows photographs)"
    )
    evaluate.add_argument("--run", type=Path, metavar="DIR", help="run folder whose training curves the report shows")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    from convert.evaluation.evaluate import evaluate  # noqa: PLC0415
    from convert.evaluation.results import How  # noqa: PLC0415
    from convert.reports.text import to_json, to_table  # noqa: PLC0415
    from edge.manifest import find_model  # noqa: PLC0415

    _refuse_early(arguments)
    model = find_model(arguments.model)
    beside = model.with_suffix(".keras")
    reference = arguments.float or (beside if beside.exists() else None)
    how = How(arguments.split, arguments.quick, arguments.sample)
    measurement = evaluate(model, reference, data(arguments), how, say)
    sys.stdout.write(to_table(measurement.evaluation))
    if arguments.json:
        content = json.dumps(to_json(measurement.evaluation), indent=2) + "\n"
        arguments.json.write_text(content, encoding="utf-8")
    if arguments.report:
        from convert.reports.report import write_report  # noqa: PLC0415 - matplotlib takes a second

        write_report(measurement, arguments.report, arguments.run, say)


def _refuse_early(arguments: argparse.Namespace) -> None:
    """Raise what writing would raise, before minutes are spent on measuring."""
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.reports.private import check_private  # noqa: PLC0415
    from convert.training.history import read_history  # noqa: PLC0415

    if arguments.run and not arguments.report:
        msg = "--run is plotted in the report: give --report DIR too"
        raise ConvertError(msg)
    if arguments.run:
        read_history(arguments.run)
    if arguments.report:
        check_private(arguments.report)
        arguments.report.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        arguments.json.open("a", encoding="utf-8").close()
