"""After which silence a camera counts as stalled, as a function of the times of its frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.stall import STALL_INTERVALS, StallLimit

CONFIGURED = 5.0
rates = st.floats(-1, 1.78).map(lambda power: 10**power) | st.sampled_from([0.1, 0.2, 0.5, 1.0, 60.0])
jitters = st.lists(st.floats(-0.4, 0.4), min_size=5, max_size=5) | st.just([0.0] * 5)


def limit_after(*seconds, fps=0.0):
    limit = StallLimit(CONFIGURED, fps)
    limit.opened()
    for now in seconds:
        limit.record_frame(now)
    return limit


def test_configured_limit_holds_for_usual_cameras_and_before_the_second_frame():
    assert limit_after().seconds == CONFIGURED
    assert limit_after(100.0).seconds == CONFIGURED
    assert limit_after(*(number / 25 for number in range(50))).seconds == CONFIGURED


def test_slow_camera_may_be_silent_for_three_of_its_intervals():
    limit = limit_after(0.0, 4.0, 8.0)
    assert limit.seconds == 12.0
    assert limit.fps == 0.25


def test_single_long_interval_shows_no_rate():
    assert limit_after(0.0, 4.0).seconds == CONFIGURED


def test_requested_rate_holds_until_the_rate_is_measured():
    assert limit_after(0.0, fps=0.1).seconds == 30.0
    assert limit_after(0.0, 0.04, 0.08, fps=0.1).seconds == CONFIGURED


def test_interval_outlasts_a_reopening_and_the_outage_is_none():
    limit = limit_after(0.0, 4.0, 8.0)
    limit.ended(20.0)
    limit.opened()
    limit.record_frame(3600.0)
    assert limit.seconds == 12.0
    limit.record_frame(3604.0)
    assert limit.seconds == 12.0


def test_silence_after_the_first_frame_of_each_opening_is_given_more_time_up_to_a_minute():
    limit, now, limits = StallLimit(CONFIGURED), 0.0, []
    for _ in range(6):
        limit.opened()
        limit.record_frame(now)
        limits.append(limit.seconds)
        now += limit.seconds
        limit.ended(now)
        now += 1
    assert limits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


@pytest.mark.parametrize(("frames", "silent_seconds"), [(1, 0.5), (4, 100.0), (0, 100.0)])
def test_other_ends_teach_no_patience(frames, silent_seconds):
    """A connection that was cut, a camera that hung after it had run, one that gave nothing."""
    times = [number * 0.04 for number in range(frames)]
    limit = limit_after(*times)
    limit.ended((times[-1] if times else 0.0) + silent_seconds)
    assert limit.seconds == CONFIGURED


@given(rates, jitters, st.integers(1, 2))
def test_steady_camera_is_soon_never_stalled(rate, jitter, burst):
    """It sends a frame (or two that it had buffered) when it is opened, then one in each interval."""
    limit, now, outages = StallLimit(CONFIGURED), 0.0, 0
    for _ in range(8):
        limit.opened()
        for _ in range(burst):
            limit.record_frame(now)
        for interval in ((1 + share) / rate for share in [0.0, *jitter * 8]):
            if interval > limit.seconds:
                now += limit.seconds
                limit.ended(now)
                outages += 1
                break
            now += interval
            limit.record_frame(now)
        else:
            break
        now += 1.0
    assert outages <= 2
    assert limit.seconds <= max(CONFIGURED, STALL_INTERVALS * 1.4 / rate + 1e-6)
