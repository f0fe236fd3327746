"""Tests of the inference schedule as a function of faces and times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.classification.scheduler import (
    INFERENCES_PER_DWELL,
    INFERENCES_PER_SECOND,
    InferenceCandidate,
    InferenceScheduler,
)

DWELL_SECONDS = 0.5


def calm(*ids):
    return [InferenceCandidate(face_id, 80.0 - face_id, urgent=False) for face_id in ids]


@given(
    count=st.integers(1, 8),
    fps=st.sampled_from([3.0, 7.5, 12.5, 15.0, 25.0, 30.0, 60.0]),
    dwell=st.floats(0.2, 2.0),
)
def test_faces_that_are_not_urgent_share_inferences_evenly(count, fps, dwell):
    scheduler, ids = InferenceScheduler(dwell), range(1, count + 1)
    seconds = [number / fps for number in range(round(6 * fps))]
    selected = [scheduler.select(calm(*ids), now, 32) for now in seconds]
    assert selected[0] == set(ids)  # none was classified before
    per_second = min(count * fps, max(INFERENCES_PER_SECOND, count * INFERENCES_PER_DWELL / dwell))
    later = [len(chosen) for chosen in selected[1:]]
    assert sum(later) == pytest.approx((seconds[-1]) * per_second, abs=count + 1)
    assert max(later) - min(later) <= 1 + (count == min(later))
    for face_id in ids:
        times = [now for now, chosen in zip(seconds, selected, strict=True) if face_id in chosen]
        longest = max(after - before for before, after in pairwise(times))
        assert longest <= count / per_second + 2 / fps + 1e-6


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.booleans()), unique_by=lambda face: face[0]), max_size=60),
    st.integers(1, 9),
)
def test_urgent_faces_are_selected_at_once_within_the_limit(frames, limit):
    scheduler, classified = InferenceScheduler(DWELL_SECONDS), set()
    for number, faces in enumerate(frames):
        known = {face_id for face_id, _ in faces}
        at_once = {face_id for face_id, urgent in faces if urgent or face_id not in classified}
        chosen = scheduler.select(
            [InferenceCandidate(face_id, 50.0, urgent) for face_id, urgent in faces], number / 25, limit
        )
        assert chosen <= known
        assert len(chosen) <= limit
        assert at_once <= chosen or len(chosen) == limit
        classified |= chosen


def test_all_faces_take_turns_where_the_limit_is_below_the_urgent_ones():
    scheduler = InferenceScheduler(DWELL_SECONDS)
    faces = [
        InferenceCandidate(1, 90.0, urgent=True),
        InferenceCandidate(2, 80.0, urgent=True),
        InferenceCandidate(3, 70.0, urgent=False),
    ]
    selected = [scheduler.select(faces, number / 25, 1) for number in range(9)]
    assert [min(chosen) for chosen in selected] == [1, 2, 3] * 3


def test_all_faces_are_selected_without_a_dwell():
    scheduler = InferenceScheduler(0.0)
    assert all(scheduler.select(calm(1, 2, 3), number / 60, 32) == {1, 2, 3} for number in range(20))


def test_face_that_is_not_retained_counts_as_new():
    scheduler = InferenceScheduler(DWELL_SECONDS)
    scheduler.select(calm(1, 2), 0.0, 32)
    scheduler.retain({2})
    assert scheduler.select(calm(1, 2), 0.001, 32) == {1}


def test_pause_of_the_source_saves_no_inferences_up():
    scheduler = InferenceScheduler(DWELL_SECONDS)
    scheduler.select(calm(1), 0.0, 32)
    selected = [scheduler.select(calm(1), 3600 + number / 25, 32) for number in range(25)]
    assert sum(len(chosen) for chosen in selected) <= INFERENCES_PER_SECOND + 1
