"""Converts a user's own model, of Keras, ONNX or PyTorch, to one that `edge` runs."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from msgspec import UNSET

from convert.data.fer2013 import FER2013_FILE, LABELS, data_folder
from convert.errors import ConvertError
from convert.frameworks.files import framework_of
from convert.frameworks.network_model import load_network
from convert.frameworks.original import Original, find_python
from convert.progress import Heartbeat, PrintLine
from convert.quantization.calibration import CalibrationImages, load_images, named_training_faces
from convert.quantization.quantize import InOut
from convert.quantization.study import quantize_by_agreement
from convert.release.export import ModelDescription, check_description, write_model
from convert.release.model_checks import count_warnings, input_warnings, output_warnings
from convert.release.neutral_reading import reading_of_pictures
from convert.release.summary import summary_lines
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import FloatModel, load_float_model
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.vision.classification.manifest import MODEL_SUFFIX, ModelInput, manifest_path
from edge.vision.classification.outputs import to_probabilities

_MIN_LABELS: Final = 2


@dataclass(frozen=True)
class InputOptions:
    """Description of a user's model and its images, from the command line.

    `value_range`: what pixel values 0 and 255 were in training. `colour`: gray, rgb or bgr, None for the
    default of the channels. `calibration`: a folder, .npz or .npy of images; None for FER2013's Training in
    the folder `data`. `in_out`: type of input and output tensor. `trust_lambda`: run the code of Lambda layers.
    `converter_python`: the Python that has the packages of an ONNX or PyTorch file; None to look for one.
    """

    value_range: tuple[float, float]
    colour: str | None
    calibration: Path | None
    data: Path | None
    in_out: InOut
    trust_lambda: bool = False
    converter_python: Path | None = None


def convert_user_model(
    source: Path, options: InputOptions, description: ModelDescription, folder: Path, print_line: PrintLine
) -> Path:
    """Quantize a model, write it with its manifest into `folder`, and return the .tflite path.

    Prints each step when it begins, how far it is at least every ten seconds, a line beginning with "warning:" for each
    thing that looks wrong and cannot be known to be, and at the end what was made and how to try it.

    Raises ConvertError where the model, its description or the calibration pictures cannot be used.
    """
    name = description.name
    if not name or name != Path(name).name:
        msg = f"--name must be a plain file name without a folder, not {name!r}"
        raise ConvertError(msg)
    if source.suffix == MODEL_SUFFIX:
        msg = (
            f"{source} is a {MODEL_SUFFIX} file, which needs no conversion: it runs with a manifest beside it, "
            f"{manifest_path(source)}, as docs/manifest.md describes"
        )
        raise ConvertError(msg)
    with Heartbeat(print_line) as heartbeat, ExitStack() as originals:
        heartbeat.step(f"reading {source}")
        model = _load(source, options, originals, heartbeat)
        return _convert(model, options, description, folder, heartbeat)


def _load(source: Path, options: InputOptions, originals: ExitStack, heartbeat: Heartbeat) -> FloatModel:
    """Load a model; what runs an original of another framework runs until `originals` is closed."""
    framework = framework_of(source) if source.exists() else None
    if framework is None:
        return load_float_model(source, trust_lambda=options.trust_lambda)
    python = options.converter_python or find_python(framework)
    original = originals.enter_context(Original(source, framework, python))
    return load_network(source, original, heartbeat)


def _convert(
    model: FloatModel, options: InputOptions, description: ModelDescription, folder: Path, heartbeat: Heartbeat
) -> Path:
    labels = description.labels
    if len(labels) != model.outputs:
        msg = f"model {model.path} has {model.outputs} outputs, but --labels names {len(labels)}: {','.join(labels)}"
        raise ConvertError(msg)
    spec = describe_input(model, options.value_range, options.colour)
    check_description(description, spec)
    data = _calibration_images(options, spec, heartbeat)
    for sentence in [*(f"{each}; it is left out" for each in data.unreadable), *count_warnings(len(data.images))]:
        heartbeat.line(f"warning: {sentence}")
    heartbeat.step(f"checking input and outputs on {len(data.images)} calibration pictures")
    for sentence in input_warnings(model, spec, data.images):
        heartbeat.line(f"warning: {sentence}")
    made = quantize_by_agreement(model, spec, data.images, options.in_out, heartbeat)
    if made.kind == "sigmoids":
        heartbeat.line("the outputs are sigmoids: on the device each is divided by their sum")
    quantum = Int8Model(made.content).output.scale
    by_float, by_int8 = (
        to_probabilities(rows, made.kind, description.temperature, quantum) for rows in (made.reference, made.outputs)
    )
    for sentence in output_warnings(by_int8, labels, data.names, description.unknown_below):
        heartbeat.line(f"warning: {sentence}")
    neutral = None
    if options.calibration is not None:
        dataset, runtime = options.calibration.resolve().name, f"{runtime_name()} {options.in_out}"
        neutral = reading_of_pictures(by_int8, labels, data.names, dataset, runtime)
    description = replace(description, outputs=made.kind, neutral_reading=UNSET if neutral is None else neutral)
    path = write_model(made.content, spec, description, folder)
    for line in summary_lines(path, spec, labels, (by_float, by_int8), data.sources):
        heartbeat.line(line)
    return path


def _calibration_images(options: InputOptions, spec: ModelInput, heartbeat: Heartbeat) -> CalibrationImages:
    """Read the user's pictures, or FER2013's. Raises ConvertError where there are none."""
    if options.calibration is not None:
        heartbeat.line(f"reading calibration pictures from {options.calibration}")
        tick = heartbeat.counted("reading calibration pictures")
        return load_images(options.calibration, largest_px=2 * max(spec.width, spec.height), tick=tick)
    folder = data_folder(options.data)
    heartbeat.step(f"reading calibration pictures from {folder / FER2013_FILE}")
    return named_training_faces(folder)


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
