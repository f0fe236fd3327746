"""Distillation: adds the probabilities of trained teachers to the targets of another model's training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError, reason_of
from convert.keras_backend import compiles_steps
from convert.training.network import to_input


class Teacher:
    """One or several float classifiers over `LABELS` that take one grey channel; their mean is the answer."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Load the models. Raises ConvertError where a file is not such a model."""
        self._models = [_load(path) for path in paths]
        self.side_px = max(int(model.input_shape[1]) for model in self._models)

    def predict(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (n, 7) for square grey uint8 (n, any, any), reduced to the size of each model."""
        answers = [_probabilities(model, resized(views, int(model.input_shape[1]))) for model in self._models]
        return answers[0] if len(answers) == 1 else np.asarray(np.mean(answers, axis=0), dtype=np.float32)


def _load(path: Path) -> Any:  # noqa: ANN401 - keras has no types
    try:
        model: Any = keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        msg = f"teacher {path} is not a Keras model: {reason_of(error)}"
        raise ConvertError(msg) from error
    shape, outputs = model.input_shape, model.output_shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 1 or outputs[-1] != len(LABELS):  # noqa: PLR2004 - n, h, w, c
        msg = f"teacher {path} takes {shape} and gives {outputs}, not (n, side, side, 1) and (n, {len(LABELS)})"
        raise ConvertError(msg)
    return model


def _probabilities(model: Any, views: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    inputs = to_input(views)
    if compiles_steps(keras.config.backend()):
        probabilities = model.predict_on_batch(inputs)
    else:
        probabilities = keras.ops.convert_to_numpy(model(inputs, training=False))
    return np.asarray(probabilities, dtype=np.float32)


def resized(views: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return square images (n, any, any) as (n, side, side)."""
    if views.shape[1] == side_px:
        return views
    smaller = [cv2.resize(view, (side_px, side_px), interpolation=cv2.INTER_AREA) for view in views]
    return np.asarray(smaller, dtype=np.uint8)
