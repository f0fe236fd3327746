"""Describes a network's input, and converts images to it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.runtimes.keras_model import FloatModel
from edge.vision.classification.manifest import ModelInput
from edge.vision.classification.preprocess import with_detail

_MAX_LEVEL: Final = 255.0
_COLOUR_DIMENSIONS: Final = 3

Image = NDArray[np.uint8]
"""Grey (h, w) or BGR (h, w, 3)."""


def describe_input(model: FloatModel, value_range: tuple[float, float], colour: str | None = None) -> ModelInput:
    """Return the manifest's description of a model's input.

    `value_range`: what pixel values 0 and 255 become. `colour`: gray, rgb or bgr; None is gray for a model
    with one channel, else rgb. Raises ConvertError where the manifest cannot express the input, and where
    the colour does not fit the model.
    """
    description = {
        "width": model.width,
        "height": model.height,
        "colour": colour or ("gray" if model.channels == 1 else "rgb"),
        "range": list(value_range),
    }
    try:
        spec = msgspec.convert(description, ModelInput)
    except msgspec.ValidationError as error:
        msg = f"the input of model {model.path} cannot be described: {error}"
        raise ConvertError(msg) from error
    check_fits(model, spec)
    return spec


def check_fits(model: FloatModel, spec: ModelInput) -> None:
    """Raise ConvertError where `spec` does not describe the model's input."""
    if spec.channels != model.channels:
        msg = (
            f"model {model.path} takes {model.channels} channel(s), which does not fit colour {spec.colour!r} "
            f"({spec.channels}): give --colour {'gray' if model.channels == 1 else 'rgb or bgr'}"
        )
        raise ConvertError(msg)
    if (spec.height, spec.width) != (model.height, model.width):
        msg = f"model {model.path} takes {model.width}x{model.height} pixels, not {spec.width}x{spec.height}"
        raise ConvertError(msg)


def to_size(image: Image, spec: ModelInput) -> Image:
    """Resize a grey (h, w) or BGR (h, w, 3) uint8 image to the size of `spec`, by area where it shrinks."""
    method = cv2.INTER_AREA if image.shape[0] > spec.height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (spec.width, spec.height), interpolation=method), dtype=np.uint8)


def to_network(image: Image, spec: ModelInput) -> NDArray[np.float32]:
    """Convert a grey (h, w) or BGR (h, w, 3) uint8 image to float32 (height, width, channels).

    The image is resized (by area where it shrinks), its channels are put in the order of `spec`, and the
    values 0..255 are mapped to the range of `spec`.
    """
    resized: NDArray[Any] = to_size(image, spec)
    if spec.colour == "gray":
        if resized.ndim == _COLOUR_DIMENSIONS:
            resized = np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY))
        resized = resized[..., None]
    elif resized.ndim < _COLOUR_DIMENSIONS:
        resized = np.repeat(resized[..., None], 3, axis=2)
    elif spec.colour == "rgb":
        resized = resized[..., ::-1]
    low, high = spec.value_range
    return np.asarray(resized.astype(np.float32) * ((high - low) / _MAX_LEVEL) + low, dtype=np.float32)


class NetworkInputs:
    """Converts images to a network's input when they are asked for: thousands of them as float32 take gigabytes."""

    def __init__(self, images: Sequence[Image] | Image, spec: ModelInput) -> None:
        """Convert `images`, each as for `to_network`."""
        self._images, self._spec = images, spec

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield each input, float32 (height, width, channels)."""
        return (to_network(image, self._spec) for image in self._images)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """Return the inputs of a slice, float32 (n, height, width, channels)."""
        return np.stack([to_network(image, self._spec) for image in self._images[part]])


def network_inputs(images: NDArray[np.uint8], spec: ModelInput) -> NDArray[np.float32]:
    """Convert uint8 (n, 48, 48) faces to float32 (n, height, width, channels), in FER2013's framing."""
    return np.stack([to_network(with_detail(image, spec), spec) for image in images])
