"""Builds the classifier: a MobileNet on one grey channel, dense layers, softmax."""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError, reason_of
from convert.training.recipe import Backbone, Recipe

_FIRST_CONVOLUTIONS: Final = ("Conv1", "conv1")
_LAST_BLOCK: Final = 16
_AFTER_BACKBONE: Final = "pool"


def _backbone(kind: Backbone, side_px: int, channels: int, alpha: float) -> Any:  # noqa: ANN401 - keras has no types
    build = keras.applications.MobileNetV2 if kind == "mobilenet_v2" else keras.applications.MobileNet
    return build(input_shape=(side_px, side_px, channels), alpha=alpha, include_top=False, weights=None)


def grey_backbone(side_px: int, alpha: float, weights: Path | None, kind: Backbone = "mobilenet_v2") -> Any:  # noqa: ANN401
    """Build a MobileNet for one grey channel from weights for RGB.

    The first convolution's kernel is summed over its input channels, which gives exactly the RGB network's
    output for an image with three equal channels.
    """
    grey = _backbone(kind, side_px, 1, alpha)
    if weights is None:
        return grey
    colour = _backbone(kind, side_px, 3, alpha)
    colour.load_weights(weights)
    for target, source in zip(grey.layers, colour.layers, strict=True):
        values = source.get_weights()
        if source.name in _FIRST_CONVOLUTIONS:
            values = [values[0].sum(axis=2, keepdims=True), *values[1:]]
        target.set_weights(values)
    return grey


def build_network(recipe: Recipe, side_px: int, weights: Path | None) -> Any:  # noqa: ANN401
    """Build the classifier of float32 (n, side, side, 1) in -1..1; its outputs (n, 7) are probabilities of `LABELS`."""
    backbone = grey_backbone(side_px, recipe.alpha, weights, recipe.backbone)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batch_norm_momentum
    features = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    features = keras.layers.Dropout(recipe.dropout, seed=recipe.seed, name="drop_features")(features)
    hidden = features
    for number, units in enumerate(recipe.dense_units, 1):
        hidden = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(hidden)
        hidden = keras.layers.Dropout(recipe.dropout, seed=recipe.seed + number, name=f"drop_{number}")(hidden)
    output = keras.layers.Dense(len(LABELS), activation="softmax", name="emotion")(hidden)
    return keras.Model(backbone.input, output, name="emotion_edge")


def copy_weights(path: Path, model: Any) -> None:  # noqa: ANN401
    """Give a model the weights of the float model in a file. Raises ConvertError where the networks differ."""
    try:
        source: Any = keras.models.load_model(path, compile=False)
        model.set_weights(source.get_weights())
    except (OSError, ValueError, TypeError) as error:
        msg = f"--start {path} is not a float model of this recipe's network: {reason_of(error)}"
        raise ConvertError(msg) from error


def freeze_before(model: Any, first_block: int) -> None:  # noqa: ANN401
    """Freeze the layers before MobileNetV2's block number `first_block`, weights and statistics.

    Block 17 does not exist: it freezes everything up to the pooling.
    """
    prefix = f"block_{first_block}_" if first_block <= _LAST_BLOCK else _AFTER_BACKBONE
    trainable = first_block == 0
    for layer in model.layers:
        trainable = trainable or layer.name.startswith(prefix)
        layer.trainable = trainable


def to_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert grey uint8 (n, h, w) to the network's input, float32 (n, h, w, 1) in -1..1."""
    return (images.astype(np.float32) / 127.5 - 1.0)[..., None]
