"""Tests of the label rules on predictions that the test makes up."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import EventsConfig
from edge.types import UNKNOWN
from edge.vision.expression import ExpressionFilter

LABELS = ("happy", "neutral", "sad")
CONFIG = EventsConfig(smoothing_seconds=0, dwell_seconds=0.5, margin=0.1)
HAPPY, NEUTRAL, SAD, UNCERTAIN = (
    np.array(values, dtype=np.float32)
    for values in ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.36, 0.32, 0.32))
)


def play(predictions, config=CONFIG, step=0.1):
    """Return the changes as (time, previous label, new label), and the filter."""
    expression = ExpressionFilter(LABELS, config, unknown_below=0.4)
    changes = []
    for number, prediction in enumerate(predictions):
        expression.add_prediction(prediction, number * step)
        if number == 0:
            expression.initialise()
            continue
        previous = expression.update()
        if previous is not None:
            changes.append((round(number * step, 3), previous, expression.label))
    return changes, expression


def test_constant_predictions_keep_the_label():
    changes, expression = play([HAPPY] * 50)
    assert changes == []
    assert expression.label == "happy"
    assert expression.confidence == pytest.approx(0.8)


def test_label_changes_after_the_dwell():
    changes, _ = play([HAPPY] * 5 + [NEUTRAL] * 10)
    assert changes == [(1.0, "happy", "neutral")]


def test_lead_shorter_than_the_dwell_does_not_change_the_label():
    assert play(([HAPPY] * 3 + [NEUTRAL] * 4) * 10)[0] == []


def test_confidence_is_of_the_last_reading_in_which_the_label_led():
    _, expression = play([HAPPY, np.array([0.62, 0.2, 0.18], np.float32), SAD, NEUTRAL])
    assert (expression.label, expression.confidence) == ("happy", pytest.approx(0.62))
    assert (expression.leader, expression.probabilities[1]) == ("neutral", pytest.approx(0.8))


def test_confidence_of_unknown_stays_below_the_threshold_while_a_label_leads_for_less_than_the_dwell():
    _, expression = play([UNCERTAIN, SAD])
    assert (expression.label, expression.confidence) == (UNKNOWN, pytest.approx(0.36))
    assert expression.leader == "sad"


def test_alternating_leaders_each_start_a_new_dwell():
    assert play([HAPPY] * 3 + [NEUTRAL, SAD] * 20)[0] == []


def test_lead_below_the_margin_does_not_change_the_label():
    close = np.array([0.45, 0.5, 0.05], dtype=np.float32)
    assert play([HAPPY] * 3 + [close] * 30)[0] == []


def test_uncertain_predictions_give_unknown_and_certain_ones_a_label_again():
    changes, _ = play([HAPPY] * 3 + [UNCERTAIN] * 10 + [SAD] * 10)
    assert [change[1:] for change in changes] == [("happy", UNKNOWN), (UNKNOWN, "sad")]


def test_configured_threshold_overrides_the_manifests():
    config = EventsConfig(smoothing_seconds=0, unknown_below=0.3)
    _, expression = play([UNCERTAIN] * 3, config)
    assert expression.label == "happy"


def test_smoothing_has_the_configured_time_constant():
    config = EventsConfig(smoothing_seconds=1.0)
    expression = ExpressionFilter(LABELS, config, 0.0)
    expression.add_prediction(np.array([1, 0, 0], dtype=np.float32), 0.0)
    expression.add_prediction(np.array([0, 1, 0], dtype=np.float32), 1.0)
    # After one time constant a first-order filter has gone 1 - 1/e of the way.
    assert expression.probabilities[1] == pytest.approx(1 - np.exp(-1), abs=1e-6)


def test_filter_without_predictions_is_unknown_and_uniform():
    expression = ExpressionFilter(LABELS, CONFIG, 0.4)
    assert (expression.label, expression.leader) == (UNKNOWN, None)
    assert expression.probabilities.sum() == pytest.approx(1)
    certain_of_all = ExpressionFilter(LABELS, EventsConfig(unknown_below=0.0), 0.4)
    certain_of_all.initialise()
    assert (certain_of_all.label, certain_of_all.confidence) == (UNKNOWN, pytest.approx(1 / 3))


predictions = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(
    lambda values: np.array(values, dtype=np.float32) / np.float32(sum(values))
)


settings = st.builds(
    EventsConfig,
    smoothing_seconds=st.floats(0, 2),
    dwell_seconds=st.floats(0, 1),
    margin=st.floats(0, 0.5),
)
frames = st.lists(st.tuples(st.floats(0.001, 0.7), st.none() | predictions), min_size=1, max_size=60)
"""Seconds since the frame before, and the prediction: None where the face was not found."""


def announcements(frames, config, appears=0):
    """Return (seconds, label, previous label or None): the appearance in frame `appears` or later, then the changes."""
    expression, announced, seconds = ExpressionFilter(LABELS, config, unknown_below=0.4), [], 0.0
    for number, (elapsed, prediction) in enumerate(frames):
        seconds += elapsed
        if prediction is not None:
            expression.add_prediction(prediction, seconds)
        if not announced:
            if number >= appears and prediction is not None:
                expression.initialise()
                announced.append((seconds, expression.label, None))
            continue
        previous = expression.update()
        if previous is not None:
            announced.append((seconds, expression.label, previous))
            assert prediction is not None, "time alone must not change a label"
            assert expression.update() is None, "a change is returned once"
        assert expression.label == announced[-1][1]
        assert expression.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert 0 <= expression.confidence <= 1
        assert expression.probabilities.dtype == np.float32
    return announced


@given(frames, settings, st.integers(0, 5))
def test_each_label_lasts_for_at_least_the_dwell(frames, config, appears):
    labels = announcements(frames, config, appears)
    for (before, label, _), (after, changed, previous) in pairwise(labels):
        assert previous == label != changed
        assert after - before >= config.dwell_seconds
    assert announcements(frames, config, appears) == labels


def test_default_dwell_is_at_least_half_a_second():
    assert EventsConfig().dwell_seconds >= 0.5


def test_single_prediction_before_a_face_is_lost_does_not_change_the_label():
    expression = ExpressionFilter(LABELS, CONFIG, unknown_below=0.4)
    expression.add_prediction(HAPPY, 0.0)
    expression.initialise()
    expression.add_prediction(SAD, 0.1)
    assert [expression.update() for _ in range(20)] == [None] * 20
    expression.add_prediction(SAD, 0.7)
    assert expression.update() == "happy"
