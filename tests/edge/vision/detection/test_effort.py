"""What one frame may do, as a function of the interval and the level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.levels import LADDER
from edge.vision.detection.effort import FrameEffort, frame_effort


@pytest.mark.parametrize("level", LADDER, ids=lambda level: level.name)
@pytest.mark.parametrize("interval", [None, 0.0, 1 / 60, 0.04, 0.08])
def test_nothing_changes_from_12_5_frames_a_second_on(level, interval):
    assert frame_effort(interval, level) == FrameEffort(level.search_frames, 1, 8, 2, 0.0)


@given(st.floats(0.001, 20))
def test_three_frames_or_two_thirds_of_a_second_are_enough_at_the_best_level(interval):
    """For the search, and two more verifications, also where 15 faces come at once in frames that are far apart."""
    effort = frame_effort(interval, LADDER[0])
    assert (effort.search_frames + 2) * interval <= max(0.65, 3 * interval) + 1e-9 or effort.search_frames == 6
    assert effort.verifications >= min(15, int(25 * interval)) or interval < 0.1


@given(st.floats(0.001, 20), st.floats(0.001, 20))
def test_longer_intervals_never_mean_less_work_in_a_frame(one, other):
    for level in LADDER:
        short, long = frame_effort(min(one, other), level), frame_effort(max(one, other), level)
        assert 1 <= long.search_frames <= short.search_frames
        assert long.verifications >= short.verifications >= 1
        assert long.pause_frames <= short.pause_frames


@given(st.floats(0.001, 20))
def test_lower_level_costs_half_at_any_rate(interval):
    best, lower = frame_effort(interval, LADDER[0]), frame_effort(interval, LADDER[1])
    assert lower.search_frames >= 2 * best.search_frames
    assert lower.verifications <= max(1, best.verifications // 2)
