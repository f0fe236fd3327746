import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.errors import ConvertError
from convert.training.network import build_network, copy_weights, freeze_before, grey_backbone, to_input
from convert.training.recipe import HEAD_ONLY
from support.tiny_run import TINY


def test_grey_backbone_equals_colour_backbone_on_grey_images(small_data):
    path = small_data / "mobilenet_v2_0.35_imagenet_notop.weights.h5"
    colour = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    colour.load_weights(path)
    grey = grey_backbone(32, 0.35, path)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    expected = np.asarray(colour(np.repeat(image, 3, axis=3), training=False))
    # Three products are summed in another order: the last digits differ, over 52 layers.
    np.testing.assert_allclose(np.asarray(grey(image, training=False)), expected, rtol=1e-3, atol=1e-5)


def test_network_outputs_probabilities():
    model = build_network(TINY, 32, None)
    rows = np.asarray(model(to_input(np.zeros((2, 32, 32), dtype=np.uint8)), training=False))
    assert rows.shape == (2, 7)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)


def test_pixels_are_mapped_to_minus_one_to_one():
    values = to_input(np.array([[[0, 255]]], dtype=np.uint8))
    assert values.shape == (1, 1, 2, 1)
    assert values.ravel().tolist() == [-1.0, 1.0]


def test_head_only_freezes_the_backbone(small_data):
    model = build_network(TINY, 32, small_data / "mobilenet_v2_0.35_imagenet_notop.weights.h5")
    freeze_before(model, HEAD_ONLY)
    assert {layer.name for layer in model.layers if layer.trainable and layer.get_weights()} == {"dense_1", "emotion"}


def test_copied_weights_come_from_a_network_of_the_same_form(tmp_path):
    def network(units):
        inputs = keras.Input((2,))
        return keras.Model(inputs, keras.layers.Dense(units)(inputs))

    one, other = network(3), network(3)
    one.save(tmp_path / "one.keras")
    copy_weights(tmp_path / "one.keras", other)
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ConvertError, match=r"--start .*one\.keras is not a float model of this recipe's network: "):
        copy_weights(tmp_path / "one.keras", network(4))
