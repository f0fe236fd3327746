"""Small Keras models that convert in seconds, and images for them."""

import keras
import numpy as np

from edge.vision.classification.manifest import ModelInput

GREY = ModelInput(width=32, height=24, colour="gray", value_range=(-1.0, 1.0))
"""The input of `small_model` with one channel."""


def small_model(path, channels=1, activation="softmax"):
    """Saves a network of three layers with fixed weights, and returns the path; without a suffix a SavedModel."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((24, 32, channels)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(7, activation=activation, kernel_initializer=keras.initializers.RandomNormal(stddev=4)),
        ]
    )
    if path.suffix:
        model.save(path)
    else:
        model.export(path, verbose=False)
    return path


def linear_model(path, units=7):
    """Saves a network for 8x8 pixels with fixed weights, and returns the path."""
    keras.utils.set_random_seed(5)
    keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu6", bias_initializer="ones"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(units, activation="softmax", bias_initializer="random_normal"),
        ]
    ).save(path)
    return path


def noise_images(count=24, shape=(48, 48)):
    rng = np.random.default_rng(0)
    return [rng.integers(low, 256, shape).astype(np.uint8) for low in np.linspace(0, 200, count).astype(int)]
