import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import EventsConfig
from edge.events import Expression
from edge.records import UNKNOWN

pytestmark = pytest.mark.device

LABELS = ("happy", "neutral", "sad")
CONFIG = EventsConfig(smoothing_seconds=0, dwell_seconds=0.5, margin=0.1)
HAPPY, NEUTRAL, SAD, TORN = (
    np.array(values, dtype=np.float32)
    for values in ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.36, 0.32, 0.32))
)


def play(readings, config=CONFIG, step=0.1):
    """Return the changes as (time, label given up, new label)."""
    expression = Expression(LABELS, config, unknown_below=0.4)
    changes = []
    for number, reading in enumerate(readings):
        expression.read(reading, number * step)
        if number == 0:
            expression.settle()
            continue
        previous = expression.decide(number * step)
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
    expression = Expression(LABELS, config, 0.0)
    expression.read(np.array([1, 0, 0], dtype=np.float32), 0.0)
    expression.read(np.array([0, 1, 0], dtype=np.float32), 1.0)
    # After one time constant a first-order filter has gone 1 - 1/e of the way.
    assert expression.probabilities[1] == pytest.approx(1 - np.exp(-1), abs=1e-6)


def test_before_any_reading_nothing_is_claimed():
    expression = Expression(LABELS, CONFIG, 0.4)
    assert expression.label == UNKNOWN
    assert expression.probabilities.sum() == pytest.approx(1)


readings = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(
    lambda values: np.array(values, dtype=np.float32) / np.float32(sum(values))
)


@given(
    st.lists(st.tuples(st.floats(0.001, 0.7), readings), min_size=1, max_size=60),
    st.floats(0, 2),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
def test_two_changes_are_never_closer_than_the_dwell(frames, smoothing, dwell, margin):
    config = EventsConfig(smoothing_seconds=smoothing, dwell_seconds=dwell, margin=margin)
    expression = Expression(LABELS, config, unknown_below=0.4)
    seconds, last_change, label = 0.0, -np.inf, None
    for elapsed, reading in frames:
        seconds += elapsed
        expression.read(reading, seconds)
        previous = expression.decide(seconds)
        if previous is None:
            assert label in (None, expression.label)
        else:
            assert previous != expression.label
            assert seconds - last_change >= dwell or last_change == -np.inf
            last_change = seconds
        label = expression.label
        assert expression.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert 0 <= expression.confidence <= 1
        assert expression.probabilities.dtype == np.float32
