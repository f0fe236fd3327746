"""Options and measurement of `emotion-convert evaluate --pictures`: a model of any labels on pictures of the user."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from convert.evaluation.evaluated_model import EvaluatedModel
    from convert.evaluation.results import Measurement
    from convert.progress import Heartbeat

_NEED_PICTURES: Final = (
    "crops",
    "label_map",
    "labels",
    "colour",
    "range",
    "crop_margin",
    "unknown_below",
    "trust_lambda",
)
_NEED_FER2013: Final = ("split", "data")
_MARGINS: Final = (-0.4, 2.0)
"""Margins that a manifest may state."""


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add --pictures and the options that go with it."""
    group = parser.add_argument_group("pictures of your own (FER2013 is not needed)")
    group.add_argument(
        "--pictures", type=Path, metavar="DIR", help="measure on DIR/<label>/*.jpg and other still pictures"
    )
    group.add_argument(
        "--crops", action="store_true", help="the pictures are faces already: do not search for faces in them"
    )
    group.add_argument(
        "--label-map",
        action="append",
        metavar="FOLDER=LABEL",
        help="label of a folder with another name, with commas between several; an empty LABEL leaves it out",
    )
    group.add_argument(
        "--crop-margin",
        type=float,
        metavar="SHARE",
        help="margin on every side of the face box, share of its side (default: the manifest's; 0 with --crops)",
    )
    keras = parser.add_argument_group("pictures and a Keras model without a manifest beside it")
    keras.add_argument("--labels", metavar="A,B,...", help="labels in the order of the outputs (default: FER's seven)")
    keras.add_argument(
        "--colour", choices=("gray", "rgb", "bgr"), help="colours of the input (default: gray for 1 channel, else rgb)"
    )
    keras.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="values of pixels 0 and 255 in training (default: -1 1)",
    )
    keras.add_argument(
        "--unknown-below", type=float, metavar="P", help="confidence below which a face is unknown (default: 0.4)"
    )
    keras.add_argument(
        "--trust-lambda",
        action="store_true",
        help="run the Python code of Lambda layers in the file: only for a file whose maker you trust",
    )


def check_picture_options(arguments: argparse.Namespace) -> None:
    """Raise ConvertError for options that contradict each other, and for values out of range."""
    from convert.errors import ConvertError  # noqa: PLC0415
    from convert.evaluation.evaluated_model import is_keras_model  # noqa: PLC0415

    if arguments.pictures is not None:
        for name in _NEED_FER2013:
            if getattr(arguments, name) is not None:
                msg = (
                    f"--{name} belongs to FER2013, which is not used with --pictures {arguments.pictures}: leave it out"
                )
                raise ConvertError(msg)
    else:
        for name in _NEED_PICTURES:
            # Not `in`: a margin of 0 equals False.
            if not any(getattr(arguments, name) is default for default in (None, False)):
                msg = f"--{name.replace('_', '-')} needs --pictures DIR: without it FER2013 is measured"
                raise ConvertError(msg)
        if is_keras_model(arguments.model):
            msg = (
                f"{arguments.model} is a Keras model, which is measured with --pictures DIR only: without it, give the "
                f".tflite that emotion-convert quantize makes of it"
            )
            raise ConvertError(msg)
    margin, threshold = arguments.crop_margin, arguments.unknown_below
    if margin is not None and not _MARGINS[0] <= margin <= _MARGINS[1]:
        msg = f"--crop-margin must be from {_MARGINS[0]:g} to {_MARGINS[1]:g} of the box's side, not {margin:g}"
        raise ConvertError(msg)
    if threshold is not None and not 0 <= threshold <= 1:
        msg = f"--unknown-below must be from 0 to 1, not {threshold:g}"
        raise ConvertError(msg)


def measure_pictures(arguments: argparse.Namespace, beat: "Heartbeat") -> "Measurement":
    """Load the model, find the pictures and measure. Raises ConvertError or ModelError where either cannot be used."""
    from dataclasses import replace  # noqa: PLC0415

    from convert.data.labelled_folder import find_pictures, parse_label_map  # noqa: PLC0415
    from convert.evaluation.evaluated_model import ModelOptions, open_model  # noqa: PLC0415
    from convert.evaluation.picture_evaluation import evaluate_pictures  # noqa: PLC0415
    from convert.evaluation.results import EvaluationOptions  # noqa: PLC0415
    from convert.release.user_model import parse_labels  # noqa: PLC0415

    label_map = parse_label_map(arguments.label_map or [])
    beat.status("loading the model")
    margin = arguments.crop_margin
    options = ModelOptions(
        labels=None if arguments.labels is None else parse_labels(arguments.labels),
        value_range=None if arguments.range is None else tuple(arguments.range),
        colour=arguments.colour,
        unknown_below=arguments.unknown_below,
        # The edges of a crop are those with which its network was trained: a margin is for the detector's box.
        crop_margin=0.0 if margin is None and arguments.crops else margin,
        float_model=arguments.float,
        trust_lambda=arguments.trust_lambda,
    )
    model = open_model(arguments.model, options, beat.line)
    pictures = find_pictures(arguments.pictures, model.labels, model.name, label_map)
    how = EvaluationOptions(quick=arguments.quick, sample=arguments.sample, tflite_python=arguments.tflite_python)
    measurement = evaluate_pictures(model, pictures, how, beat, crops=arguments.crops)
    if model.classifier is not None:
        return measurement
    evaluation = measurement.evaluation
    doubts = _doubts(model, measurement)
    return replace(measurement, evaluation=replace(evaluation, warnings=(*doubts, *evaluation.warnings)))


def _doubts(model: "EvaluatedModel", measurement: "Measurement") -> Sequence[str]:
    """Return sentences on what looks wrong about the options of a Keras model."""
    from convert.release.model_checks import better_order, input_warnings  # noqa: PLC0415

    faces, sentences = measurement.faces, []
    if model.float_model is not None:
        sentences += list(input_warnings(model.float_model, model.input, list(faces.images)))
    names = [model.labels[label] for label in faces.labels]
    order = better_order(measurement.probabilities, model.labels, names)
    if order is not None:
        given, best, suggested = order
        sentences.append(
            f"the labels look permuted: {100 * given:.0f} % of the faces are right, and {100 * best:.0f} % would be "
            f"with --labels {','.join(suggested)}"
        )
    return sentences
