"""Converts a user's own Keras model to one that `edge` runs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS, data_folder
from convert.errors import ConvertError
from convert.progress import PrintLine
from convert.quantization.calibration import load_images, named_training_faces
from convert.quantization.quantize import InOut
from convert.quantization.study import quantize_by_agreement
from convert.release.export import ModelDescription, check_description, write_model
from convert.release.model_checks import input_warnings, output_warnings
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import load_float_model
from convert.runtimes.tflite import Int8Model
from edge.vision.classification.outputs import to_probabilities

_MIN_LABELS: Final = 2


@dataclass(frozen=True)
class InputOptions:
    """Description of a user's model and its images, from the command line.

    `value_range`: what pixel values 0 and 255 were in training. `colour`: gray, rgb or bgr, None for the
    default of the channels. `calibration`: a folder, .npz or .npy of images; None for FER2013's Training in
    the folder `data`. `in_out`: type of input and output tensor. `trust_lambda`: run the code of Lambda layers.
    """

    value_range: tuple[float, float]
    colour: str | None
    calibration: Path | None
    data: Path | None
    in_out: InOut
    trust_lambda: bool = False


def convert_user_model(
    source: Path, options: InputOptions, description: ModelDescription, folder: Path, print_line: PrintLine
) -> Path:
    """Quantize a Keras model, write it with its manifest into `folder`, and return the .tflite path.

    Prints a line beginning with "warning:" for each thing that looks wrong and cannot be known to be.

    Raises ConvertError where the model, its description or the calibration images cannot be used.
    """
    name, labels = description.name, description.labels
    if not name or name != Path(name).name:
        msg = f"--name must be a plain file name without a folder, not {name!r}"
        raise ConvertError(msg)
    model = load_float_model(source, trust_lambda=options.trust_lambda)
    if len(labels) != model.outputs:
        msg = f"model {source} has {model.outputs} outputs, but --labels names {len(labels)}: {','.join(labels)}"
        raise ConvertError(msg)
    spec = describe_input(model, options.value_range, options.colour)
    check_description(description, spec)
    data = load_images(options.calibration) if options.calibration else named_training_faces(data_folder(options.data))
    for sentence in data.unreadable:
        print_line(f"warning: {sentence}; it is left out")
    for sentence in input_warnings(model, spec, data.images):
        print_line(f"warning: {sentence}")
    made = quantize_by_agreement(model, spec, data.images, options.in_out, print_line)
    if made.kind == "sigmoids":
        print_line("the outputs are sigmoids: on the device each is divided by their sum")
    quantum = Int8Model(made.content).output.scale
    probabilities = to_probabilities(made.outputs, made.kind, description.temperature, quantum)
    for sentence in output_warnings(probabilities, labels, data.names, description.unknown_below):
        print_line(f"warning: {sentence}")
    return write_model(made.content, spec, replace(description, outputs=made.kind), folder)


def parse_labels(text: str | None) -> tuple[str, ...]:
    """Read the option --labels, `a,b,c`; None gives FER's seven.

    Raises ConvertError for fewer than two labels, and for an empty or a repeated one.
    """
    if text is None:
        return LABELS
    labels = tuple(label.strip() for label in text.split(","))
    if len(labels) < _MIN_LABELS or not all(labels) or len(set(labels)) != len(labels):
        msg = f"--labels must be at least two different names with commas between, not {text!r}"
        raise ConvertError(msg)
    return labels
