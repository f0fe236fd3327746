"""`emotion-convert evaluate`, `margin` and `family`: measurements of finished models."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convert.commands.common import (
    Subparsers,
    add_model_argument,
    data_folder_of,
    data_option,
    print_line,
    whole_number,
)
from convert.commands.pictures import add_picture_options, check_picture_options, measure_pictures

if TYPE_CHECKING:
    from convert.evaluation.results import Measurement
    from convert.progress import Heartbeat


def add(commands: Subparsers) -> None:
    """Add the three subcommands."""
    evaluate = commands.add_parser(
        "evaluate", parents=[data_option()], help="measure a model on FER2013 and FER+, or on pictures of your own"
    )
    evaluate.add_argument(
        "model",
        nargs="?",
        default="normal",
        metavar="MODEL",
        help="shipped name or .tflite path; with --pictures also a .keras file, .h5 file or SavedModel folder "
        "(default: normal)",
    )
    evaluate.add_argument(
        "--float", type=Path, metavar="FILE", help="float model (default: MODEL's .keras, if it exists)"
    )
    evaluate.add_argument(
        "--split", choices=("PublicTest", "PrivateTest"), help="split of FER2013 to measure (default: PrivateTest)"
    )
    evaluate.add_argument(
        "--quick",
        action="store_true",
        help="measure only Keras and int8 on the shipped interpreter: no other interpreter, and on FER2013 no "
        "robustness and no detector",
    )
    evaluate.add_argument("--sample", type=whole_number(1), metavar="N", help="measure only N images, drawn at random")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    evaluate.add_argument(
        "--report", type=Path, metavar="DIR", help="write index.html, figures.json and errors.html (shows photographs)"
    )
    evaluate.add_argument("--run", type=Path, metavar="DIR", help="run folder whose training curves the report shows")
    evaluate.add_argument(
        "--tflite-python", type=Path, metavar="FILE", help="bin/python of an environment that has tflite-runtime"
    )
    evaluate.add_argument(
        "--held-out",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="instead of a model: pool what the runs of all folds (`train --fold I/K`) predict for their folds",
    )
    add_picture_options(evaluate)
    evaluate.set_defaults(handler=_evaluate)

    margin = commands.add_parser(
        "margin", parents=[data_option()], help="measure the accuracy by crop margin through the real detector"
    )
    add_model_argument(margin)
    margin.set_defaults(handler=_margin)

    family = commands.add_parser("family", help="compare size, computation and accuracy of a folder's models")
    family.add_argument(
        "--models", type=Path, default=Path("models"), metavar="DIR", help="folder of the models (default: models)"
    )
    family.set_defaults(handler=_family)


def _evaluate(arguments: argparse.Namespace) -> None:
    from convert.files import write_json  # noqa: PLC0415
    from convert.progress import Heartbeat  # noqa: PLC0415
    from convert.reports.text import evaluation_data, to_text  # noqa: PLC0415

    if arguments.held_out:
        _pool_folds(arguments)
        return
    check_picture_options(arguments)
    _check_outputs(arguments)
    with Heartbeat(print_line) as beat:
        measurement = measure_pictures(arguments, beat) if arguments.pictures else _measure_split(arguments, beat)
        beat.status("writing the results")
        beat.line(to_text(measurement.evaluation).removesuffix("\n"))
        if arguments.json:
            write_json(arguments.json, evaluation_data(measurement.evaluation))
        if arguments.report:
            from convert.reports.report import write_report  # noqa: PLC0415 - importing matplotlib takes a second

            write_report(measurement, arguments.report, arguments.run, beat.line)


def _pool_folds(arguments: argparse.Namespace) -> None:
    from convert.data.fer2013 import LABELS  # noqa: PLC0415
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.evaluation.cross_validation import pool_folds, pooled_data  # noqa: PLC0415
    from convert.files import write_json  # noqa: PLC0415
    from convert.reports.text import result_lines  # noqa: PLC0415

    others = ("float", "split", "quick", "sample", "report", "run", "tflite_python", "pictures")
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(arguments, name)]
    if given:
        msg = f"--held-out measures runs and goes with --json only: leave {', '.join(given)} out"
        raise ConvertError(msg)
    result = pool_folds(arguments.held_out)
    print_line("\n".join(["Training, each face judged by the run that has not seen it", *result_lines(result, LABELS)]))
    if arguments.json:
        write_json(arguments.json, pooled_data(result))


def _measure_split(arguments: argparse.Namespace, beat: "Heartbeat") -> "Measurement":
    from convert.evaluation.evaluate import evaluate  # noqa: PLC0415
    from convert.evaluation.forms import find_float_model  # noqa: PLC0415
    from convert.evaluation.results import EvaluationOptions  # noqa: PLC0415
    from edge.vision.classification.manifest import find_model  # noqa: PLC0415

    model = find_model(arguments.model)
    float_model = find_float_model(model, arguments.float)
    split = arguments.split or "PrivateTest"
    options = EvaluationOptions(split, arguments.quick, arguments.sample, arguments.tflite_python)
    return evaluate(model, float_model, _data_folder(arguments), options, beat)


def _data_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of FER2013. Raises ConvertError, which names --pictures too, where there is none."""
    from convert.errors import ConvertError  # noqa: PLC0415

    try:
        return data_folder_of(arguments)
    except ConvertError as error:
        msg = f"{error}; or measure on pictures of your own with --pictures DIR, which has a folder for each label"
        raise ConvertError(msg) from error


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Raise the errors of reading the run and of writing before minutes are spent on measuring."""
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.reports.error_page import check_private  # noqa: PLC0415
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


def _margin(arguments: argparse.Namespace) -> None:
    from convert.data.fer2013 import clean_split, with_leader  # noqa: PLC0415
    from convert.evaluation.crop_margin import measure_crop_margins, to_text  # noqa: PLC0415
    from convert.runtimes.tflite import Int8Model  # noqa: PLC0415
    from edge.vision.classification.manifest import find_model, load_manifest  # noqa: PLC0415

    model = find_model(arguments.model)
    manifest = load_manifest(model)
    clean, _ = clean_split(data_folder_of(arguments), "PublicTest")
    split = with_leader(clean)
    study = measure_crop_margins(split, split.leader, Int8Model(model.read_bytes()), manifest.input)
    sys.stdout.write(to_text(study))


def _family(arguments: argparse.Namespace) -> None:
    from convert.evaluation.model_family import measure_models, to_text  # noqa: PLC0415

    sys.stdout.write(to_text(measure_models(arguments.models)))
