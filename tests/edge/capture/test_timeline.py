import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.timeline import Timeline

STAMPS = st.one_of(
    st.floats(-10, 1000), st.floats(-1e6, 1e6), st.floats(), st.sampled_from([math.nan, math.inf, -3.7e17, 0.0])
)


def times(stamps, step_seconds=0.04):
    timeline = Timeline(step_seconds)
    return [timeline.seconds(stamp) for stamp in stamps]


@given(st.lists(STAMPS, min_size=1, max_size=60), st.floats(0.001, 1e9))
def test_time_always_increases_and_never_by_hours_whatever_the_stamps(stamps, step_seconds):
    seconds = times(stamps, step_seconds)
    assert seconds[0] == 0
    assert all(math.isfinite(one) for one in seconds)
    assert all(0 < later - earlier <= 90 for earlier, later in itertools.pairwise(seconds))


@given(
    st.floats(0.1, 60),
    st.sampled_from([0.04, 1.0, 10.0, None]),
    st.floats(-1e6, 1e6),
    st.lists(st.floats(0.8, 1.2), min_size=5, max_size=60),
)
def test_frames_of_any_rate_keep_their_times_whatever_the_file_states(fps, stated, start, jitter):
    steps = [one / fps for one in jitter]
    stamps = [start, *(start + one for one in itertools.accumulate(steps))]
    seconds = times(stamps, stated or 1 / fps)
    # A slow stream whose file states another rate loses at most its first step.
    lost = steps[0] if fps < 1 else 0.0
    assert stamps[-1] - stamps[0] - lost - 1e-3 <= seconds[-1] <= stamps[-1] - stamps[0] + 1e-3


@given(
    st.lists(st.tuples(st.floats(-1e8, 1e8), st.integers(20, 40)), min_size=2, max_size=5),
    st.sampled_from([1.0, 5.0, 25.0, 60.0]),
)
def test_joined_recordings_go_on_by_one_step(recordings, fps):
    stamps = [start + number / fps for start, count in recordings for number in range(count)]
    seconds = times(stamps, 1 / fps)
    assert seconds[-1] <= 2 * len(stamps) / fps + 5 * len(recordings)
    assert seconds[-1] >= 0.9 * (len(stamps) - len(recordings)) / fps


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 95_443.7, 6.0, -6.0])
def test_jump_is_counted_once_with_its_size(jump):
    timeline = Timeline(0.04)
    stamps = [number / 25 for number in range(50)] + [2.0 + jump + number / 25 for number in range(50)]
    seconds = [timeline.seconds(stamp) for stamp in stamps]
    assert timeline.jumps == 1
    assert timeline.last_jump_seconds == pytest.approx(jump, abs=0.05)
    assert seconds[50] - seconds[49] == pytest.approx(0.04, abs=0.001)
    assert seconds[-1] == pytest.approx(99 / 25, abs=0.01)


def test_ten_seconds_between_frames_are_no_jump_where_they_are_usual():
    stated, unstated = Timeline(10.0), Timeline(0.04)
    assert [stated.seconds(10.0 * number) for number in range(4)] == [0, 10, 20, 30]
    assert stated.jumps == 0
    assert [round(unstated.seconds(10.0 * number), 2) for number in range(4)] == [0, 0.04, 10.04, 20.04]


def test_gap_of_a_few_seconds_is_kept():
    assert times([0.0, 0.04, 4.04, 4.08]) == pytest.approx([0, 0.04, 4.04, 4.08])


def test_stream_without_stamps_goes_on_at_its_stated_rate():
    for stamp in (math.nan, math.inf, -3.7e17):
        assert times([stamp] * 4, 0.1) == pytest.approx([0, 0.1, 0.2, 0.3])
