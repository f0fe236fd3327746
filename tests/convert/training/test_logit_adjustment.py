import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.training.logit_adjustment import adjust_bias, choose_strength, label_shares


def test_shares_count_leading_labels():
    targets = np.array([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [1, 0, 0]], dtype=np.float32)
    # The third class never leads and counts as one of four.
    np.testing.assert_allclose(label_shares(targets), [0.75, 0.25, 0.25])


def test_rare_label_is_favoured_where_accuracy_does_not_fall():
    # 90 of the common label, read surely; 10 of the rare one, each read as common by a narrow margin.
    common, rare = np.tile([0.98, 0.02], (90, 1)), np.tile([0.55, 0.45], (10, 1))
    probabilities = np.vstack([common, rare]).astype(np.float32)
    labels = np.repeat([0, 1], [90, 10])
    chosen = choose_strength(probabilities, labels, np.array([0.9, 0.1]))
    # log(0.55 / 0.45) = 0.20 has to be made up by strength * log(0.9 / 0.1) = strength * 2.20.
    assert chosen.strength == 0.1
    assert (chosen.accuracy_before, chosen.accuracy) == (0.9, 1.0)
    assert (chosen.macro_recall_before, chosen.macro_recall) == (0.5, 1.0)


def test_accuracy_is_not_traded_for_recall():
    # 2 of the rare label would be gained for 20 of the common one.
    probabilities = np.vstack([np.tile([0.55, 0.45], (22, 1)), np.tile([0.99, 0.01], (78, 1))]).astype(np.float32)
    labels = np.repeat([1, 0], [2, 98])
    chosen = choose_strength(probabilities, labels, np.array([0.98, 0.02]))
    assert chosen.strength == 0
    assert chosen.macro_recall == 0.5


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7))
def test_choice_keeps_accuracy_and_never_loses_recall(seed, classes):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), 60).astype(np.float32)
    labels = rng.integers(0, classes, 60)
    chosen = choose_strength(probabilities, labels, rng.dirichlet(np.ones(classes)) + 1e-3)
    assert 0 <= chosen.strength <= 1
    assert chosen.accuracy >= chosen.accuracy_before - 0.002 - 1e-9
    if chosen.strength:
        assert chosen.macro_recall >= chosen.macro_recall_before or chosen.accuracy > chosen.accuracy_before + 0.002


def test_adjusted_bias_multiplies_the_probabilities():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="emotion")(inputs))
    rows, shares = np.eye(4, dtype=np.float32), np.array([0.7, 0.2, 0.1])
    before = np.asarray(model(rows))
    adjust_bias(model, 0.5, shares)
    expected = before / shares**0.5
    np.testing.assert_allclose(np.asarray(model(rows)), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
