"""Distillation: adds a trained teacher's probabilities to the targets of another model's training."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError, reason_of
from convert.training.network import to_input


class Teacher:
    """A float classifier over `LABELS` that takes one grey channel."""

    def __init__(self, path: Path) -> None:
        """Load the model. Raises ConvertError where the file is not such a model."""
        try:
            self._model: Any = keras.models.load_model(path, compile=False)
        except (OSError, ValueError, TypeError) as error:
            msg = f"teacher {path} is not a Keras model: {reason_of(error)}"
            raise ConvertError(msg) from error
        shape, outputs = self._model.input_shape, self._model.output_shape
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 1 or outputs[-1] != len(LABELS):  # noqa: PLR2004 - n, h, w, c
            msg = f"teacher {path} takes {shape} and gives {outputs}, not (n, side, side, 1) and (n, {len(LABELS)})"
            raise ConvertError(msg)
        self.side_px = int(shape[1])

    def predict(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (n, 7) for grey uint8 (n, side_px, side_px)."""
        return np.asarray(self._model(to_input(views), training=False), dtype=np.float32)
