"""A small network with every kind of layer whose bias is corrected."""

import keras
import numpy as np

from convert.runtimes.inputs import to_network
from convert.runtimes.keras_model import load_float_model
from edge.vision.classification.manifest import ModelInput

LAYERED_INPUT = ModelInput(width=17, height=14, colour="gray", value_range=(-1.0, 1.0))


def layered_model(path, units=7):
    """Saves and loads a network with every kind of layer that is corrected, both paddings, strides, an odd size."""
    keras.utils.set_random_seed(11)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((14, 17, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6", bias_initializer="random_normal"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu6", bias_initializer="random_normal"),
            layers.Conv2D(12, (3, 2), strides=(1, 2), activation="relu", bias_initializer="random_normal"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(
                units,
                activation="softmax",
                kernel_initializer=keras.initializers.RandomNormal(stddev=4),
                bias_initializer="ones",
            ),
        ]
    )
    model.save(path)
    return load_float_model(path)


def layered_inputs(count=16):
    """Returns grey faces, and the same as inputs of the network."""
    rng = np.random.default_rng(0)
    faces = [rng.integers(low, 256, (48, 48)).astype(np.uint8) for low in np.linspace(0, 200, count).astype(int)]
    return faces, [to_network(face, LAYERED_INPUT) for face in faces]
