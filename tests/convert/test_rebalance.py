import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")

import keras
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.training.logit_adjustment import choose_strength, label_shares, shift


def test_shares_are_of_leading_labels():
    targets = np.array([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [1, 0, 0]], dtype=np.float32)
    # The third never leads and counts as one of four.
    np.testing.assert_allclose(label_shares(targets), [0.75, 0.25, 0.25])


def test_a_rare_label_is_favoured_where_that_costs_nothing():
    # 90 of the common label, read surely; 10 of the rare one, each read as common by a narrow margin.
    common, rare = np.tile([0.98, 0.02], (90, 1)), np.tile([0.55, 0.45], (10, 1))
    probabilities = np.vstack([common, rare]).astype(np.float32)
    labels = np.repeat([0, 1], [90, 10])
    found = choose_strength(probabilities, labels, np.array([0.9, 0.1]))
    # log(0.55 / 0.45) = 0.20 has to be made up by strength * log(0.9 / 0.1) = strength * 2.20.
    assert found.strength == 0.1
    assert (found.accuracy_before, found.accuracy) == (0.9, 1.0)
    assert (found.macro_recall_before, found.macro_recall) == (0.5, 1.0)


def test_accuracy_is_not_sold_for_recall():
    # 2 of the rare label would be gained for 20 of the common one.
    probabilities = np.vstack([np.tile([0.55, 0.45], (22, 1)), np.tile([0.99, 0.01], (78, 1))]).astype(np.float32)
    labels = np.repeat([1, 0], [2, 98])
    found = choose_strength(probabilities, labels, np.array([0.98, 0.02]))
    assert found.strength == 0
    assert found.macro_recall == 0.5


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7))
def test_the_choice_keeps_accuracy_and_never_loses_recall(seed, classes):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), 60).astype(np.float32)
    labels = rng.integers(0, classes, 60)
    found = choose_strength(probabilities, labels, rng.dirichlet(np.ones(classes)) + 1e-3)
    assert 0 <= found.strength <= 1
    assert found.accuracy >= found.accuracy_before - 0.002 - 1e-9
    if found.strength:
        assert found.macro_recall >= found.macro_recall_before or found.accuracy > found.accuracy_before + 0.002


def test_the_shift_multiplies_the_probabilities():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="emotion")(inputs))
    rows, shares = np.eye(4, dtype=np.float32), np.array([0.7, 0.2, 0.1])
    before = np.asarray(model(rows))
    shift(model, 0.5, shares)
    wanted = before / shares**0.5
    np.testing.assert_allclose(np.asarray(model(rows)), wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-5)
