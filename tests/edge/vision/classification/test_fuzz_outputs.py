"""What a network gives is recognised from values of any kind, and becomes probabilities or one sentence."""

import numpy as np
import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.vision.classification.outputs import (
    FLOAT_TOLERANCE,
    UnusableOutputsError,
    recognise_outputs,
    to_probabilities,
)
from support.fuzzing import fuzz

QUANTUM = 1 / 256
"""Scale of a quantized softmax or sigmoid."""
LOGITS = st.tuples(st.integers(1, 5), st.integers(2, 9)).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(-30, 30, width=32))
)
TOLERANCE = st.sampled_from([FLOAT_TOLERANCE, QUANTUM])


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def as_stored(values, tolerance):
    """Return values as a float or an int8 network gives them."""
    return values if tolerance == FLOAT_TOLERANCE else (np.rint(values / QUANTUM) * QUANTUM).astype(np.float32)


@fuzz
@given(LOGITS, TOLERANCE)
def test_softmax_is_recognised(logits, tolerance):
    assert recognise_outputs(as_stored(softmax(logits), tolerance), tolerance) == "probabilities"


@fuzz
@given(LOGITS, TOLERANCE, st.data())
def test_sigmoids_are_recognised_by_one_picture_in_any_place(logits, tolerance, data):
    values = as_stored(sigmoid(logits), tolerance)
    assume(np.abs(values.sum(axis=1) - 1).max() > 2 * tolerance * values.shape[1])
    # The others are like a softmax, as at first in a network that was trained for long.
    others = data.draw(st.integers(0, 20))
    rows = np.vstack([as_stored(softmax(np.repeat(logits[:1], others, axis=0)), tolerance), values])
    order = data.draw(st.permutations(range(len(rows))))
    assert recognise_outputs(rows[order], tolerance) == "sigmoids"


@fuzz
@given(LOGITS, TOLERANCE)
def test_logits_and_logarithms_are_recognised(logits, tolerance):
    assume(logits.max() > 1 + 2 * tolerance or logits.min() < -2 * tolerance)
    assume(np.ptp(logits, axis=0).max() > 2 * tolerance)
    assume(logits.min() < -2 * tolerance)  # positive ones of equal sum are probabilities times a factor
    assert recognise_outputs(logits, tolerance) == "logits"
    logarithms = np.log(softmax(logits))
    assume(logarithms.min() < -2 * tolerance)
    assert recognise_outputs(logarithms, tolerance) == "logits"
    np.testing.assert_allclose(to_probabilities(logarithms, "logits", 1.0, QUANTUM), softmax(logits), atol=1e-5)


@fuzz
@given(LOGITS, st.floats(2, 1000))
def test_probabilities_times_a_factor_are_refused(logits, factor):
    values = softmax(logits) * factor
    assume(np.ptp(values, axis=0).max() > 2 * FLOAT_TOLERANCE)
    assume(values.max() > 1 + 2 * FLOAT_TOLERANCE)
    with pytest.raises(UnusableOutputsError, match="probabilities times"):
        recognise_outputs(values)


ANY = st.tuples(st.integers(1, 6), st.integers(2, 9)).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(width=32) | st.floats(-1, 2, width=32))
)


@fuzz
@given(ANY, TOLERANCE, st.floats(0.05, 20))
@example(np.array([[np.nan, 1]], np.float32), FLOAT_TOLERANCE, 1.0)
@example(np.full((2, 3), 3e38, np.float32), QUANTUM, 0.05)
@example(np.zeros((1, 7), np.float32), QUANTUM, 1.0)
def test_any_outputs_become_probabilities_or_one_sentence(values, tolerance, temperature):
    try:
        kind = recognise_outputs(values, tolerance)
    except UnusableOutputsError as error:
        event("refused")
        assert "\n" not in str(error)  # noqa: PT017 - it need not be raised
        return
    event(kind)
    assert recognise_outputs(values[::-1, ::-1], tolerance) == kind
    rows = to_probabilities(values, kind, temperature, tolerance)
    assert rows.dtype == np.float32
    assert rows.shape == values.shape
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-4)
    assert (rows >= 0).all()
    best = rows.argmax(axis=1)
    at = np.arange(len(values))
    # The highest output stays the highest; of those that rounding makes equal any may be first.
    assert (values[at, best] >= values.max(axis=1) - np.maximum(tolerance, 1e-5 * np.abs(values).max())).all()


@fuzz
@given(LOGITS)
def test_each_kind_is_converted_by_its_formula(logits):
    probabilities = softmax(logits)
    np.testing.assert_allclose(to_probabilities(logits, "logits", 1.0, 1e-9), probabilities, atol=1e-5)
    np.testing.assert_allclose(to_probabilities(probabilities, "probabilities", 1.0, 1e-9), probabilities, atol=1e-5)
    ones = sigmoid(logits)
    divided = ones / ones.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(to_probabilities(ones, "sigmoids", 1.0, 1e-20), divided, atol=1e-5)
    # A temperature does to probabilities what it does to their logits.
    np.testing.assert_allclose(
        to_probabilities(probabilities, "probabilities", 2.0, 1e-30),
        to_probabilities(logits, "logits", 2.0, 1e-30),
        atol=1e-4,
    )
