"""What a user's network ends in is found in its graph, else in its values."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
import keras
import tensorflow as tf

from convert.errors import ConvertError
from convert.runtimes.frozen_graph import freeze, last_operations, scaled_input
from convert.runtimes.keras_model import FloatModel, load_float_model
from convert.runtimes.outputs import decide_kind, with_probabilities, with_usable_outputs
from edge.vision.classification.outputs import UnusableOutputsError
from support.small_models import small_model

L = keras.layers
SAMPLES = np.random.default_rng(1).uniform(-1, 1, (30, 8, 8, 1)).astype(np.float32)


def network(*ending, front=()):
    """Return a network for 8x8 pixels as a loaded model: a dense layer with spread weights, and `ending`."""
    keras.utils.set_random_seed(3)
    dense = L.Dense(7, kernel_initializer=keras.initializers.RandomNormal(stddev=0.5), name="last")
    model = keras.Sequential([keras.Input((8, 8, 1)), *front, L.Flatten(), dense, *ending])
    return FloatModel(Path("m.keras"), lambda x: model(x, training=False), 8, 8, 1, 7, model)


def nested(*ending):
    inner = network(*ending).owner
    outer = keras.Sequential([keras.Input((8, 8, 1)), inner, L.Dropout(0.5), L.Reshape((7,))])
    return FloatModel(Path("m.keras"), lambda x: outer(x, training=False), 8, 8, 1, 7, outer)


def functional():
    inputs = keras.Input((8, 8, 1))
    values = keras.ops.sigmoid(L.Dense(7)(L.Flatten()(inputs)))
    model = keras.Model(inputs, values)
    return FloatModel(Path("m.keras"), lambda x: model(x, training=False), 8, 8, 1, 7, model)


ENDINGS = {
    "softmax of a layer": (lambda: network(L.Activation("softmax")), "Softmax", "probabilities"),
    "softmax layer": (lambda: network(L.Softmax()), "Softmax", "probabilities"),
    "softmax in a lambda": (lambda: network(L.Lambda(tf.nn.softmax)), "Softmax", "probabilities"),
    "softmax of a nested model": (lambda: nested(L.Softmax()), "Softmax", "probabilities"),
    "nothing": (network, "BiasAdd", "logits"),
    "logarithms": (lambda: network(L.Activation("log_softmax")), "LogSoftmax", "logits"),
    "sigmoids": (lambda: network(L.Activation("sigmoid")), "Sigmoid", "sigmoids"),
    "sigmoids of a nested model": (lambda: nested(L.Activation("sigmoid")), "Sigmoid", "sigmoids"),
    "sigmoids of an operation": (functional, "Sigmoid", "sigmoids"),
    "hard sigmoids, by their values": (lambda: network(L.Activation("hard_sigmoid")), None, "sigmoids"),
    "own softmax, by its values": (
        lambda: network(L.Lambda(lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=1, keepdims=True))),
        None,
        "probabilities",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_end_of_a_network_is_recognised(ending):
    make, operation, kind = ENDINGS[ending]
    model = make()
    if operation is not None:
        assert last_operations(freeze(model))[0] == operation
    usable = with_usable_outputs(model, SAMPLES)
    assert usable.kind == ("probabilities" if kind == "logits" else kind)
    assert (usable.call is model.call) == (kind != "logits")
    values, plain = usable.predict(SAMPLES), model.predict(SAMPLES)
    assert (values.argmax(axis=1) == plain.argmax(axis=1)).all()
    expected = values / values.sum(axis=1, keepdims=True)
    probable = with_probabilities(model, SAMPLES)
    np.testing.assert_allclose(probable.predict(SAMPLES), expected, atol=1e-5)
    assert with_usable_outputs(usable, SAMPLES) is usable


def test_end_of_a_saved_model_is_recognised(tmp_path):
    for activation, kind in (("sigmoid", "sigmoids"), ("softmax", "probabilities")):
        model = load_float_model(small_model(tmp_path / activation, activation=activation))
        assert with_usable_outputs(model, np.zeros((2, 24, 32, 1), np.float32)).kind == kind


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (L.Activation("tanh"), "of the activation Tanh, neither probabilities nor logits"),
        (L.ReLU(), "of the activation Relu"),
        (L.Softmax(axis=0), "do not sum to 1: it runs over another axis"),
        (L.Lambda(lambda x: 100 * tf.nn.softmax(x)), "probabilities times 100"),
        (L.Lambda(lambda x: x / 0.0), "not finite"),
    ],
)
def test_outputs_of_no_usable_kind_are_one_sentence(ending, reason):
    with pytest.raises(ConvertError, match=reason) as error:
        with_usable_outputs(network(ending), SAMPLES)
    assert "\n" not in str(error.value)
    assert "m.keras" in str(error.value)


ONE_HOT = np.eye(7, dtype=np.float32)[np.arange(30) % 7]


def test_values_do_not_overrule_the_graph():
    assert decide_kind("Sigmoid", ONE_HOT) == "sigmoids"
    assert decide_kind("", ONE_HOT) == "probabilities"
    assert decide_kind("Softmax", np.where(ONE_HOT > 0, 1.0005, 0.0002)) == "probabilities"  # float16
    regression = 0.8 * ONE_HOT + 0.1
    with pytest.raises(UnusableOutputsError, match="between 0 and 1 on all 30 images"):
        decide_kind("BiasAdd", regression)
    assert decide_kind("BiasAdd", regression[:5]) == "logits"


def test_all_pictures_decide_where_the_graph_says_nothing():
    """A network that was trained for long gives sigmoids that sum to 1 on its first pictures."""
    rows = np.vstack([np.repeat(ONE_HOT, 20, axis=0), np.full((1, 7), 0.4, np.float32)])
    assert decide_kind("Mul", rows) == "sigmoids"


def test_own_scaling_of_the_input_is_measured():
    scaling = L.Rescaling(1 / 127.5, offset=-1)
    assert scaled_input(freeze(network()), 0, 255) is None
    assert scaled_input(freeze(network(front=[scaling])), 0, 255) == pytest.approx((-1, 1, False), abs=1e-5)
    low, high, _ = scaled_input(freeze(network(front=[L.ZeroPadding2D(0), scaling])), -1, 1)
    assert high - low == pytest.approx(2 / 127.5, rel=1e-3)
    fitted = L.BatchNormalization(name="batch_normalization")
    assert scaled_input(freeze(network(front=[fitted])), -1, 1)[2]
    normalization = L.Normalization(mean=120.0, variance=3600.0)
    assert scaled_input(freeze(network(front=[normalization])), 0, 255)[:2] == pytest.approx((-2, 2.25), abs=1e-3)
