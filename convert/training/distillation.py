"""Distillation: adds the probabilities of trained teachers to the targets of another model's training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError, reason_of
from convert.keras_backend import compiles_steps
from convert.tensorflow import TENSORFLOW


class Teacher:
    """One or several float classifiers over `LABELS` that take one grey channel; their mean is the answer.

    Each reads a view and its mirror image, whose expression is the same: a student that learns from the mean of both
    learns to read them alike (as Zhang et al. 2022, Erasing Attention Consistency, has it learn with a term of its
    own). All of it is one network, so that a backend that compiles does so once, and views travel as bytes.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Load the models. Raises ConvertError where a file is not such a model."""
        models = [_load(path) for path in paths]
        self.side_px = max(int(model.input_shape[1]) for model in models)
        views = keras.Input((self.side_px, self.side_px, 1), dtype="uint8")
        self._answer = _runner(keras.Model(views, _mean_answer(models, views), name="teachers"))

    def predict(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (n, 7) for square grey uint8 (n, any, any), reduced to the size of each model."""
        return np.asarray(self._answer(resized(views, self.side_px)[..., None]), dtype=np.float32)


def _runner(network: Any) -> Callable[[NDArray[np.uint8]], Any]:  # noqa: ANN401 - keras has no types
    """Return the fastest way to run a network with the backend."""
    backend = keras.config.backend()
    if backend == TENSORFLOW:
        from convert.runtimes.batched_tflite import BatchedTflite  # noqa: PLC0415 - needs TensorFlow

        return BatchedTflite(network).predict
    if compiles_steps(backend):
        return cast("Callable[[NDArray[np.uint8]], Any]", network.predict_on_batch)
    return lambda inputs: keras.ops.convert_to_numpy(network(inputs, training=False))


def _mean_answer(models: Sequence[Any], views: Any) -> Any:  # noqa: ANN401 - keras has no types
    """Return the mean of all models' answers to views (n, side, side, 1) of pixels 0 to 255 and to their mirrors."""
    values = keras.ops.cast(views, "float32") / 127.5 - 1.0
    answers = []
    for number, loaded in enumerate(models, 1):
        # Networks of one recipe have one name, and the parts of a network must have different ones.
        model = keras.Model(loaded.inputs, loaded.outputs, name=f"teacher_{number}")
        side = int(model.input_shape[1])
        seen = values
        if side != values.shape[1]:
            seen = keras.ops.image.resize(values, (side, side), interpolation="bilinear")
        answers += [model(each, training=False)[0] for each in (seen, keras.ops.flip(seen, axis=2))]
    return sum(answers[1:], start=answers[0]) / len(answers)


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


def resized(views: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return square images (n, any, any) as (n, side, side)."""
    if views.shape[1] == side_px:
        return views
    smaller = [cv2.resize(view, (side_px, side_px), interpolation=cv2.INTER_AREA) for view in views]
    return np.asarray(smaller, dtype=np.uint8)
