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
HAPPY, NEUTRAL, SAD, TORN = (
    np.array(values, dtype=np.float32)
    for values in ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.36, 0.32, 0.32))
)


def play(predictions, config=CONFIG, step=0.1):
    """Return the changes as (time, label given up, new label)."""
    expression = ExpressionFilter(LABELS, config, unknown_below=0.4)
    changes = []
    for number, reading in enumerate(predictions):
        expression.read(reading, number * step)
        if number == 0:
            expression.settle()
            continue
        previous = expression.decide()
        if previous is not None:
            changes.append((round(number * step, 3), previous, expression.label))
    return changes, expression


def test_a_steady_face_never_changes():
    changes, expression = play([HAPPY] * 50)
    assert changes == []
    assert expression.label == "happy"
    assert expression.confidence == pytest.approx(0.8)


def test_a_change_counts_once_it_has_led_for_the_dwell():
    changes, _ = play([HAPPY] * 5 + [NEUTRAL] * 10)
    assert changes == [(1.0, "happy", "neutral")]


def test_a_flicker_shorter_than_the_dwell_is_none():
    assert play(([HAPPY] * 3 + [NEUTRAL] * 4) * 10)[0] == []


def test_alternating_rivals_each_start_over():
    assert play([HAPPY] * 3 + [NEUTRAL, SAD] * 20)[0] == []


def test_a_lead_below_the_margin_does_not_count():
    close = np.array([0.45, 0.5, 0.05], dtype=np.float32)
    assert play([HAPPY] * 3 + [close] * 30)[0] == []


def test_a_face_nobody_can_read_becomes_unknown_and_comes_back():
    changes, _ = play([HAPPY] * 3 + [TORN] * 10 + [SAD] * 10)
    assert [change[1:] for change in changes] == [("happy", UNKNOWN), (UNKNOWN, "sad")]


def test_the_configuration_overrides_the_manifests_threshold():
    config = EventsConfig(smoothing_seconds=0, unknown_below=0.3)
    _, expression = play([TORN] * 3, config)
    assert expression.label == "happy"


def test_smoothing_has_its_time_constant():
    config = EventsConfig(smoothing_seconds=1.0)
    expression = ExpressionFilter(LABELS, config, 0.0)
    expression.read(np.array([1, 0, 0], dtype=np.float32), 0.0)
    expression.read(np.array([0, 1, 0], dtype=np.float32), 1.0)
    # After one time constant a first-order filter has gone 1 - 1/e of the way.
    assert expression.probabilities[1] == pytest.approx(1 - np.exp(-1), abs=1e-6)


def test_before_any_reading_nothing_is_claimed():
    expression = ExpressionFilter(LABELS, CONFIG, 0.4)
    assert expression.label == UNKNOWN
    assert expression.probabilities.sum() == pytest.approx(1)


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
"""Seconds since the frame before, and what was read there: None where the face was not found."""


def announced(frames, config, appears=0):
    """Return (seconds, label, label given up or None): the appearance at this frame or after, then the changes."""
    expression, told, seconds = ExpressionFilter(LABELS, config, unknown_below=0.4), [], 0.0
    for number, (elapsed, reading) in enumerate(frames):
        seconds += elapsed
        if reading is not None:
            expression.read(reading, seconds)
        if not told:
            if number >= appears and reading is not None:
                expression.settle()
                told.append((seconds, expression.label, None))
            continue
        previous = expression.decide()
        if previous is not None:
            told.append((seconds, expression.label, previous))
            assert reading is not None, "time alone changes nothing"
            assert expression.decide() is None, "a change is told once"
        assert expression.label == told[-1][1]
        assert expression.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert 0 <= expression.confidence <= 1
        assert expression.probabilities.dtype == np.float32
    return told


@given(frames, settings, st.integers(0, 5))
def test_no_label_lasts_for_less_than_the_dwell(frames, config, appears):
    told = announced(frames, config, appears)
    for (before, label, _), (after, changed, previous) in pairwise(told):
        assert previous == label != changed
        assert after - before >= config.dwell_seconds
    assert announced(frames, config, appears) == told


def test_by_default_no_label_lasts_for_less_than_half_a_second():
    assert EventsConfig().dwell_seconds >= 0.5


def test_one_last_reading_before_a_face_is_lost_is_no_change():
    expression = ExpressionFilter(LABELS, CONFIG, unknown_below=0.4)
    expression.read(HAPPY, 0.0)
    expression.settle()
    expression.read(SAD, 0.1)
    assert [expression.decide() for _ in range(20)] == [None] * 20
    expression.read(SAD, 0.7)
    assert expression.decide() == "happy"
