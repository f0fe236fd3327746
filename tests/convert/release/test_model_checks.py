"""What looks wrong in a user's model is found: double scaling, outputs that never change, labels in another order."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
import keras

from convert.release.model_checks import better_order, input_warnings, output_warnings
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import FloatModel
from support.small_models import noise_images

L = keras.layers
LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
FER_ORDER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def network(*front, spread=0.02, ending=()):
    keras.utils.set_random_seed(3)
    dense = L.Dense(7, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=spread))
    model = keras.Sequential([keras.Input((8, 8, 1)), *front, L.Flatten(), dense, *ending])
    return FloatModel(Path("m.keras"), lambda x: model(x, training=False), 8, 8, 1, 7, model)


def warnings_of(model, value_range):
    return list(input_warnings(model, describe_input(model, value_range), noise_images(24)))


@pytest.mark.parametrize(
    ("front", "value_range", "parts"),
    [
        (L.Rescaling(1 / 255), (-1, 1), ["scales its input itself", "receives -0.00392 to 0.00392", "--range 0 255"]),
        (L.Rescaling(1 / 127.5, offset=-1), (0, 1), ["scales its input itself", "--range 0 255"]),
        (L.Normalization(mean=120.0, variance=3600.0), (-1, 1), ["scales its input itself", "--range 0 255"]),
        (L.Rescaling(2.0, offset=-1), (0, 255), ["receives -1 to 509", "another --range"]),
        (L.Rescaling(2.0, offset=-1), (0, 1), ["although --range scales too", "receives -1 to 1"]),
        (L.BatchNormalization(name="batch_normalization"), (-1, 1), []),
        (L.Rescaling(1 / 255), (0, 255), []),
    ],
)
def test_model_that_scales_its_input_is_named_where_range_scales_too(front, value_range, parts):
    found = warnings_of(network(front, spread=1.0), value_range)
    assert len(found) == (1 if parts else 0), found
    assert all(part in found[0] for part in parts), found


def test_range_with_which_outputs_do_not_change_is_named_with_a_better_one():
    (found,) = warnings_of(network(spread=0.002), (0, 1))
    assert "with --range 0 1 the model gives almost the same for every image" in found
    assert "would not with --range 0 255" in found
    assert warnings_of(network(spread=0.002), (0, 255)) == []


def test_softmax_over_a_softmax_is_named_with_its_limit():
    (found,) = warnings_of(network(spread=1.0, ending=[L.Softmax()]), (-1, 1))
    assert "no probability can exceed 0.31" in found


def answers(order, share_right=0.9, count=140):
    """Return names of expressions, and the outputs of a network whose outputs have `order`."""
    rng = np.random.default_rng(2)
    names = [order[at % len(order)] for at in range(count)]
    shown = [at % len(order) if rng.random() < share_right else int(rng.integers(len(order))) for at in range(count)]
    return names, (0.7 * np.eye(len(order))[shown] + 0.3 / len(order)).astype(np.float32)


def test_labels_in_another_order_are_found_with_the_right_one():
    names, outputs = answers(FER_ORDER)
    given, best, order = better_order(outputs, LABELS, names)
    assert given < 0.7
    assert best > 0.85
    assert tuple(order) == FER_ORDER
    (found,) = output_warnings(outputs, LABELS, names, 0.4)
    assert "labels look permuted" in found
    assert ",".join(FER_ORDER) in found


def test_order_of_many_labels_is_found():
    labels = [f"label {number}" for number in range(12)]
    moved = labels[5:] + labels[:5]
    names, outputs = answers(moved, count=240)
    assert better_order(outputs, labels, names)[2] == moved


@pytest.mark.parametrize(
    ("order", "share_right", "rename"),
    [(LABELS, 0.9, str), (LABELS, 0.3, str), (LABELS, 0.0, str), (FER_ORDER, 0.9, lambda _: "unlike any label")],
)
def test_right_weak_or_unknown_orders_are_not_doubted(order, share_right, rename):
    names, outputs = answers(order, share_right)
    assert better_order(outputs, LABELS, [rename(name) for name in names]) is None


def test_other_names_of_the_seven_count():
    others = {"angry": "Anger", "happy": "happiness", "sad": "Sadness", "surprise": "surprised"}
    names, outputs = answers(FER_ORDER)
    assert better_order(outputs, LABELS, [others.get(name, name) for name in names])[2] == list(FER_ORDER)


def test_few_named_pictures_prove_nothing():
    names, outputs = answers(FER_ORDER, count=19)
    assert better_order(outputs, LABELS, names) is None


def test_faces_that_would_be_unknown_are_counted():
    flat = np.full((10, 7), 1 / 7, np.float32)
    flat[:4, 0], flat[:4, 1:] = 0.7, 0.05
    (found,) = output_warnings(flat, LABELS, [""] * 10, 0.4)
    assert "60 % of the 10 calibration pictures fall below --unknown-below 0.4" in found
    assert "highest probability 0.70" in found
    assert list(output_warnings(flat, LABELS, [""] * 10, 0.1)) == []
