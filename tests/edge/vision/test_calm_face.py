"""The calm face: what is subtracted from readings, and which looks of five seconds give one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision.calm_face import (
    BOUND,
    DEAD_BAND,
    FEWEST_READINGS,
    SECONDS,
    CalmFaceLook,
    CalmShift,
    log_odds,
    neutral_label,
    offsets_of,
)

LABELS = st.integers(2, 9)


@st.composite
def readings(draw, count=None):
    """Draw calibrated probabilities, float32 (n, labels), and the index of neutral."""
    labels = draw(LABELS)
    rows = draw(st.integers(1, 6)) if count is None else count
    raw = draw(st.lists(st.lists(st.floats(-6, 6), min_size=labels, max_size=labels), min_size=rows, max_size=rows))
    powers = np.exp(np.array(raw))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), draw(st.integers(0, labels - 1))


@settings(max_examples=50)
@given(readings(), st.lists(st.floats(-8, 8), min_size=9, max_size=9))
def test_offsets_are_bounded_and_shifted_readings_are_probabilities(drawn, reference):
    rows, neutral = drawn
    expected = np.array(reference[: rows.shape[1]])
    expected[neutral] = 0
    offsets = offsets_of(log_odds(rows, neutral).mean(axis=0), expected)
    assert (offsets >= 0).all()
    assert (offsets <= BOUND).all()
    assert offsets[neutral] == 0
    shift = CalmShift(offsets, neutral)
    for row in rows:
        shifted = shift.apply(row)
        assert shifted.dtype == np.float32
        assert shifted.sum() == pytest.approx(1, abs=1e-5)
        assert (shifted > 0).all()
        lowered = offsets > 0
        kept = ~lowered
        kept[neutral] = False
        assert np.array_equal(shifted[kept], row[kept]), "a label that is not lowered keeps its probability"
        lost = log_odds(row, neutral) - log_odds(shifted, neutral)
        assert np.allclose(lost[lowered], offsets[lowered], atol=1e-3)
        assert shifted[neutral] >= row[neutral] - 1e-6
        assert not lowered.any() or shifted[offsets.argmax()] <= row[offsets.argmax()] + 1e-6


@settings(max_examples=50)
@given(readings(), st.floats(0, 2), st.floats(0.1, 3))
def test_own_mean_reading_comes_down_to_the_reference_within_the_bound(drawn, dead_band, bound):
    rows, neutral = drawn
    reference = np.zeros(rows.shape[1])
    calm = log_odds(rows, neutral).mean(axis=0)
    shift = CalmShift(offsets_of(calm, reference, dead_band, bound), neutral)
    after = log_odds(np.stack([shift.apply(row) for row in rows]), neutral).mean(axis=0)
    for label in np.flatnonzero(calm - reference > dead_band):
        highest = reference[label] + dead_band
        assert after[label] == pytest.approx(max(highest, calm[label] - bound), abs=1e-3)


@settings(max_examples=50)
@given(readings(count=1), st.floats(0, 3), st.floats(0, 3))
def test_who_is_read_higher_is_lowered_at_least_as_much(drawn, one, more):
    rows, neutral = drawn
    calm = log_odds(rows, neutral)[0]
    higher = calm + one
    higher[neutral] = 0
    reference = calm - more
    reference[neutral] = 0
    assert (offsets_of(higher, reference) >= offsets_of(calm, reference)).all()
    raised = rows[0].copy()
    label = (neutral + 1) % len(raised)
    raised[label] += 0.5
    raised /= raised.sum()
    shift = CalmShift(offsets_of(calm, reference), neutral)
    assert shift.apply(raised)[label] >= shift.apply(rows[0])[label] - 1e-6


def test_ordinary_calm_face_changes_not_a_bit():
    row = np.array([0.1, 0.7, 0.2], np.float32)
    assert CalmShift(np.zeros(3), 1).apply(row) is row
    assert not offsets_of(np.array([DEAD_BAND, 0.0, -9.0]), np.zeros(3)).any()


def test_neutral_label_is_found_by_its_names():
    assert neutral_label(("sad", "neutral")) == 1
    assert neutral_label(("sad", "Calm")) == 1
    assert neutral_label(("calm", "neutral")) == 1
    assert neutral_label(("sad", "happy")) is None


STILL = np.array([0.1, 0.7, 0.2], np.float32)
SMILE = np.array([0.9, 0.05, 0.05], np.float32)


def look_at(*frames, neutral=1):
    """Return a look that has got these frames, each of a time and its faces."""
    look = CalmFaceLook(neutral)
    for seconds, *faces in frames:
        look.add(seconds, faces)
    return look


def steady(track=1, rate=10, reading=STILL):
    return [(number / rate, (track, reading)) for number in range(round(SECONDS * rate) + 1)]


def test_steady_face_gives_its_mean_after_five_seconds():
    frames = steady()
    assert not look_at(*frames[:-1]).ended
    look = look_at(*frames)
    assert look.refusal is None
    assert np.allclose(look.mean, log_odds(STILL, 1), atol=1e-6)
    look.add(99.0, [(1, SMILE), (2, SMILE)])
    assert look.refusal is None, "what comes later changes nothing"
    slow = look_at(*((2.5 * number, (1, STILL)) for number in range(3)))
    assert slow.refusal == f"the face was in 3 picture(s) only, and {FEWEST_READINGS} are needed"


@pytest.mark.parametrize(
    ("frames", "refusal"),
    [
        ([(number / 10,) for number in range(51)], "no face was in view for 5 seconds"),
        ([*steady()[:9], (1.0, (1, STILL), (2, STILL))], "2 faces are in view, but there must be one"),
        ([*steady()[:9], (1.0, (2, STILL))], "the face left the view in between"),
        (steady(reading=None), "the face could be read in 0 of 51 pictures only, and 5 are needed: it was blurred"),
        (
            [(at, (1, SMILE if 1 < at < 2.6 else STILL)) for at, _ in steady()],
            "the expression changed within the 5 seconds: hold still, without a smile",
        ),
    ],
)
def test_look_that_shows_no_calm_face_is_refused(frames, refusal):
    look = look_at(*frames)
    assert look.mean is None
    assert look.refusal.startswith(refusal)
    assert look.ended
