"""Covers the time of an event whose clock was set before it was sent."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages.event_time import STEP_SECONDS, corrected_time, stamped
from edge.messages.payload_builder import timestamp
from edge.system.clock import ClockReading
from support.mqtt import event

START = 1_790_000_000.0
"""True time at which the machine of these tests started."""


def unix(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def sent(error_then: float, error_now: float, waited: float = 60.0, *, synchronised: bool = True):
    """Return an event that was captured 100 s after the start with a clock that was off, and sent after it was set."""
    payload = event(1, time=timestamp(START + 100 + error_then))
    now = ClockReading(START + 100 + waited + error_now, 100 + waited, synchronised=synchronised)
    return stamped(payload, 100.0, now, replayed=True)


YEARS = 3.5 * 365 * 86_400


@pytest.mark.parametrize("error_then", [-YEARS, YEARS, -1.0, 0.5])
def test_time_of_an_event_that_waited_while_the_clock_was_set_is_corrected(error_then: float) -> None:
    payload = sent(error_then, 0.0)
    assert unix(payload.time) == pytest.approx(START + 100, abs=0.002)
    assert (payload.time_corrected, payload.clock_synchronised) == (True, True)
    assert payload.latency_ms == 60_000.0


def test_time_by_a_clock_that_was_not_set_is_left_alone() -> None:
    payload = sent(-YEARS, -YEARS, synchronised=False)
    assert payload.time == timestamp(START + 100 - YEARS)
    assert (payload.time_corrected, payload.clock_synchronised) == (False, False)
    # Rounding to milliseconds and a thread that is stopped for a moment are no step.
    assert not sent(0.1, 0.0).time_corrected


def test_clock_beyond_all_years_corrects_nothing() -> None:
    assert corrected_time(START, 100.0, 1e18) is None
    assert corrected_time(START, 100.0, -1e18) is None


@given(st.floats(-4e8, 4e8), st.floats(-4e8, 4e8), st.floats(0, 1e6))
def test_time_is_right_by_the_clock_of_the_moment_of_sending(
    error_then: float, error_now: float, waited: float
) -> None:
    payload = sent(error_then, error_now, waited)
    assert abs(unix(payload.time) - (START + 100 + error_now)) < STEP_SECONDS + 0.002
    if abs(error_then - error_now) > STEP_SECONDS + 0.002:
        assert payload.time_corrected
    assert payload.latency_ms == pytest.approx(waited * 1000, abs=0.02)
    assert (payload.id, payload.seq) == (event(1).id, 1)
