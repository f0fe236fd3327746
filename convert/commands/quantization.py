"""`emotion-convert quantize` and `compare`: int8 forms of a user's model, and of the methods to choose from."""

import argparse
from pathlib import Path
from typing import Final

from convert.commands.common import (
    Subparsers,
    data_folder_of,
    data_option,
    load_tensorflow,
    print_line,
    range_option,
)
from convert.progress import Heartbeat

_UNKNOWN_BELOW: Final = 0.4
"""Default threshold of a model that was not evaluated: well above the 1/7 of guessing, well below certainty."""


def add(commands: Subparsers) -> None:
    """Add both subcommands."""
    quantize = commands.add_parser(
        "quantize", parents=[data_option(), range_option()], help="convert a model of your own: Keras, ONNX or PyTorch"
    )
    quantize.add_argument(
        "model", type=Path, metavar="MODEL", help=".keras, .h5, .onnx or .pt2 file, or SavedModel folder"
    )
    quantize.add_argument(
        "--labels", metavar="A,B,...", help="labels in the order of the outputs (default: FER's seven)"
    )
    quantize.add_argument(
        "--colour",
        choices=("gray", "rgb", "bgr"),
        help="colours of the input (default: gray for 1 channel, rgb for 3)",
    )
    quantize.add_argument(
        "--calibration",
        type=Path,
        metavar="PATH",
        help="your own pictures like those of the training: a folder, .npz or .npy (default: FER2013, if you have it)",
    )
    quantize.add_argument(
        "--in-out", choices=("int8", "uint8"), default="int8", help="type of input and output (default: int8)"
    )
    quantize.add_argument(
        "--crop-margin",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="margin on every side of the face box, share of its side (default: 0)",
    )
    quantize.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="calibration: probabilities p become p^(1/T) (default: 1)",
    )
    quantize.add_argument(
        "--unknown-below",
        type=float,
        default=_UNKNOWN_BELOW,
        metavar="P",
        help=f"confidence below which a face is unknown (default: {_UNKNOWN_BELOW})",
    )
    quantize.add_argument(
        "--trust-lambda",
        action="store_true",
        help="run the Python code of Lambda layers in the file: only for a file whose maker you trust",
    )
    quantize.add_argument(
        "--converter-python",
        type=Path,
        metavar="PATH",
        help="bin/python of an environment with the packages that convert ONNX or PyTorch (default: the running one, "
        "else that of scripts/make-env)",
    )
    quantize.add_argument("--licence", default="not stated", help="licence of the model, for the manifest")
    quantize.add_argument("--intended-use", default="not stated", help="intended use, for the manifest")
    quantize.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for NAME.tflite, NAME.json")
    quantize.add_argument("--name", required=True, help="name of the model")
    quantize.set_defaults(handler=_quantize, loads_tensorflow=True)

    compare = commands.add_parser(
        "compare",
        parents=[data_option(), range_option()],
        help="compare the methods of quantization on a float model, and choose one",
    )
    compare.add_argument(
        "model",
        nargs="?",
        type=Path,
        default=Path("models/normal.keras"),
        metavar="MODEL",
        help="float model or run folder (default: models/normal.keras)",
    )
    compare.add_argument(
        "--sets", metavar="A,B,...", help="calibration sets, such as half-500,plain-100 (default: seven of them)"
    )
    compare.set_defaults(handler=_compare, loads_tensorflow=True)


def _check_paths(arguments: argparse.Namespace) -> None:
    """Raise the errors of files that are not there before TensorFlow is loaded."""
    from convert.errors import ConvertError  # noqa: PLC0415

    for what, path in (("model", arguments.model), ("calibration source", getattr(arguments, "calibration", None))):
        if path is not None and not path.exists():
            msg = f"{what} {path} does not exist"
            raise ConvertError(msg)


def _check_framework(arguments: argparse.Namespace) -> None:
    """Raise the errors of an ONNX or PyTorch file, and of missing packages, before TensorFlow is loaded."""
    from convert.frameworks.files import framework_of  # noqa: PLC0415
    from convert.frameworks.original import find_python  # noqa: PLC0415

    framework = framework_of(arguments.model)
    if framework is not None and arguments.converter_python is None:
        find_python(framework)


def _check_calibration(arguments: argparse.Namespace) -> None:
    """Raise ConvertError, naming both ways, where there are neither pictures of the user nor FER2013's."""
    from convert.errors import ConvertError  # noqa: PLC0415

    if arguments.calibration is not None or arguments.model.suffix == ".tflite":  # that needs no conversion
        return
    try:
        data_folder_of(arguments)
    except ConvertError as error:
        msg = (
            "there are no calibration pictures: give a folder of your own with --calibration FOLDER, 50 pictures or "
            f"more like those of the training; without it FER2013's are used, but {error}"
        )
        raise ConvertError(msg) from error


def _quantize(arguments: argparse.Namespace) -> None:
    _check_paths(arguments)
    _check_framework(arguments)
    _check_calibration(arguments)
    with Heartbeat(print_line) as heartbeat:
        load_tensorflow(heartbeat)
    from convert.release.export import ModelDescription  # noqa: PLC0415
    from convert.release.user_model import InputOptions, convert_user_model, parse_labels  # noqa: PLC0415

    labels = parse_labels(arguments.labels)
    if arguments.labels is None:
        print_line(f"no --labels: the outputs are taken to be {','.join(labels)}, in this order")
    description = ModelDescription(
        name=arguments.name,
        labels=labels,
        crop_margin=arguments.crop_margin,
        temperature=arguments.temperature,
        unknown_below=arguments.unknown_below,
        licence=arguments.licence,
        intended_use=arguments.intended_use,
    )
    options = InputOptions(
        value_range=tuple(arguments.range),
        colour=arguments.colour,
        calibration=arguments.calibration,
        data=arguments.data,
        in_out=arguments.in_out,
        trust_lambda=arguments.trust_lambda,
        converter_python=arguments.converter_python,
    )
    convert_user_model(arguments.model, options, description, arguments.output, print_line)


def _compare(arguments: argparse.Namespace) -> None:
    _check_paths(arguments)
    folder = data_folder_of(arguments)
    with Heartbeat(print_line) as heartbeat:
        load_tensorflow(heartbeat)
        _compare_loaded(arguments, folder, heartbeat)


def _compare_loaded(arguments: argparse.Namespace, folder: Path, heartbeat: Heartbeat) -> None:
    from convert.quantization.calibration import parse_sets  # noqa: PLC0415
    from convert.quantization.study import GRID, compare_sets  # noqa: PLC0415
    from convert.runtimes.inputs import describe_input  # noqa: PLC0415
    from convert.runtimes.keras_model import load_float_model  # noqa: PLC0415
    from convert.training.run_folder import BEST  # noqa: PLC0415

    sets = parse_sets(arguments.sets) if arguments.sets is not None else GRID
    in_run = arguments.model / BEST
    heartbeat.step(f"reading {arguments.model}")
    model = load_float_model(in_run if in_run.is_file() else arguments.model)
    compare_sets(model, describe_input(model, tuple(arguments.range)), folder, sets, heartbeat)
