"""A model that a user brings, made into one that `edge` runs."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from convert.data.fer2013 import data_folder
from convert.errors import ConvertError
from convert.evaluation.evaluate import label_agreement
from convert.quantization.calibration import Picture, given_pictures, to_network, training_faces
from convert.quantization.quantize import InOut, check_fits, corrected, quantize
from convert.release.export import Description, write_model
from convert.runtimes.keras_model import FloatModel, load_float_model
from convert.runtimes.tflite import Int8Model
from edge.manifest import ModelInput

_FEWEST_LABELS: Final = 2
_COMPARED: Final = 100


def convert_user_model(options: argparse.Namespace, say: Callable[[str], None]) -> Path:
    """Quantize a Keras model as the options of `emotion-convert quantize` describe it.

    Says how often float and int8 agree on the calibration pictures: a model that does not survive
    quantization (a softmax over many classes inside it, say) shows there. Returns the .tflite.
    Raises ConvertError where the model, its description or the calibration pictures cannot be used.
    """
    labels = parse_labels(options.labels)
    if not options.name or options.name != Path(options.name).name:
        msg = f"--name must be a plain file name without a folder, not {options.name!r}"
        raise ConvertError(msg)
    model = load_float_model(options.model)
    if len(labels) != model.outputs:
        msg = f"model {options.model} has {model.outputs} outputs, but --labels names {len(labels)}: {options.labels}"
        raise ConvertError(msg)
    raw = {
        "width": model.width,
        "height": model.height,
        "colour": options.colour or ("gray" if model.channels == 1 else "rgb"),
        "range": list(options.range),
    }
    try:
        spec = msgspec.convert(raw, ModelInput)
    except msgspec.ValidationError as error:
        msg = f"model {options.model} cannot be described: {error}"
        raise ConvertError(msg) from error
    check_fits(model, spec)
    pictures = given_pictures(options.calibration) if options.calibration else training_faces(data_folder(options.data))
    content = _quantized(model, spec, pictures, options.in_out, say)
    about = Description(
        name=options.name,
        labels=labels,
        crop_margin=options.crop_margin,
        temperature=options.temperature,
        unknown_below=options.unknown_below,
        licence=options.licence,
        intended_use=options.intended_use,
    )
    return write_model(content, spec, about, options.output)


def _quantized(
    model: FloatModel,
    spec: ModelInput,
    pictures: Sequence[Picture],
    in_out: InOut,
    say: Callable[[str], None],
) -> bytes:
    """Quantize, and correct the biases where that keeps at least as many labels of the calibration pictures."""
    inputs = np.stack([to_network(picture, spec) for picture in pictures[:_COMPARED]])
    expected = model.predict(inputs)

    def agreement(content: bytes) -> float:
        return label_agreement(expected, Int8Model(content).predict(inputs))

    content = quantize(model, spec, pictures, in_out)
    same = agreement(content)
    try:
        other = corrected(content, model, spec, pictures)
    except ConvertError as error:
        say(str(error))
    else:
        better = agreement(other)
        if better >= same:
            content, same = other, better
    say(f"float and int8 give the same label on {100 * same:.0f} % of {len(inputs)} calibration pictures")
    return content


def parse_labels(text: str) -> tuple[str, ...]:
    """Split `a,b,c`. Raises ConvertError for fewer than two, an empty or a repeated one."""
    labels = tuple(label.strip() for label in text.split(","))
    if len(labels) < _FEWEST_LABELS or not all(labels) or len(set(labels)) != len(labels):
        msg = f"--labels must be at least two different names with commas between, not {text!r}"
        raise ConvertError(msg)
    return labels
