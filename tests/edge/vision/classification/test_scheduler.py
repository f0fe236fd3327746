"""Whose turn it is to be read, as a function of faces and times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.classification.scheduler import (
    READINGS_IN_DWELL,
    READINGS_PER_SECOND,
    InferenceCandidate,
    InferenceScheduler,
)

DWELL_SECONDS = 0.5


def calm(*serials):
    return [InferenceCandidate(serial, 80.0 - serial, urgent=False) for serial in serials]


@given(
    count=st.integers(1, 8),
    fps=st.sampled_from([3.0, 7.5, 12.5, 15.0, 25.0, 30.0, 60.0]),
    dwell=st.floats(0.2, 2.0),
)
def test_calm_faces_share_the_readings_evenly(count, fps, dwell):
    turns, serials = InferenceScheduler(dwell), range(1, count + 1)
    seconds = [number / fps for number in range(round(6 * fps))]
    read = [turns.choose(calm(*serials), now, 32) for now in seconds]
    assert read[0] == set(serials)  # none was read before
    a_second = min(count * fps, max(READINGS_PER_SECOND, count * READINGS_IN_DWELL / dwell))
    later = [len(chosen) for chosen in read[1:]]
    assert sum(later) == pytest.approx((seconds[-1]) * a_second, abs=count + 1)
    assert max(later) - min(later) <= 1 + (count == min(later))
    for serial in serials:
        times = [now for now, chosen in zip(seconds, read, strict=True) if serial in chosen]
        longest = max(after - before for before, after in pairwise(times))
        assert longest <= count / a_second + 2 / fps + 1e-6


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.booleans()), unique_by=lambda face: face[0]), max_size=60),
    st.integers(1, 9),
)
def test_urgent_faces_are_read_at_once_and_never_more_than_allowed(frames, most):
    turns, read_before = InferenceScheduler(DWELL_SECONDS), set()
    for number, faces in enumerate(frames):
        known = {serial for serial, _ in faces}
        at_once = {serial for serial, urgent in faces if urgent or serial not in read_before}
        chosen = turns.choose([InferenceCandidate(serial, 50.0, urgent) for serial, urgent in faces], number / 25, most)
        assert chosen <= known
        assert len(chosen) <= most
        assert at_once <= chosen or len(chosen) == most
        read_before |= chosen


def test_where_not_even_the_urgent_have_room_nobody_is_left_out():
    turns = InferenceScheduler(DWELL_SECONDS)
    faces = [
        InferenceCandidate(1, 90.0, urgent=True),
        InferenceCandidate(2, 80.0, urgent=True),
        InferenceCandidate(3, 70.0, urgent=False),
    ]
    read = [turns.choose(faces, number / 25, 1) for number in range(9)]
    assert [min(chosen) for chosen in read] == [1, 2, 3] * 3


def test_without_a_dwell_all_are_read():
    turns = InferenceScheduler(0.0)
    assert all(turns.choose(calm(1, 2, 3), number / 60, 32) == {1, 2, 3} for number in range(20))


def test_what_is_gone_is_forgotten():
    turns = InferenceScheduler(DWELL_SECONDS)
    turns.choose(calm(1, 2), 0.0, 32)
    turns.forget({2})
    assert turns.choose(calm(1, 2), 0.001, 32) == {1}


def test_a_pause_of_the_source_saves_nothing_up():
    turns = InferenceScheduler(DWELL_SECONDS)
    turns.choose(calm(1), 0.0, 32)
    read = [turns.choose(calm(1), 3600 + number / 25, 32) for number in range(25)]
    assert sum(len(chosen) for chosen in read) <= READINGS_PER_SECOND + 1
