"""Tests of the schedule of the second search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision.detection.grid import SearchGrid
from edge.vision.detection.schedule import Schedule
from edge.vision.detection.second_search import SecondSearch

GRID = SearchGrid(480, 270, 24, 27.0, 270.0)
FULL_COST = Schedule(GRID).full_search(1.1)[1]
SEARCH_FRAMES = 6
NO_CHANGE = [None] * len(GRID.bands)


def change(*cells):
    """Return the masks of a frame in which these cells, (row, column), changed in all bands."""
    mask = np.zeros((GRID.rows, GRID.columns), np.uint8)
    for row, column in cells:
        mask[row, column] = 1
    return [mask] * len(GRID.bands)


def plan(search, changed, seconds):
    return search.plan(changed, seconds, FULL_COST, SEARCH_FRAMES)


def centre_is_covered(job, cell, roll):
    """Return whether the window of a job holds the centre of a cell of the frame."""
    octave = GRID.bands[job.band].octave
    point = tuple((index + 0.5) * GRID.cell_px / 2**octave for index in reversed(cell))
    x, y = job.window.from_picture(point)
    near = abs(job.window.roll_degrees - roll) <= 10
    return near and 0 <= x <= job.window.width and 0 <= y <= job.window.height


def test_first_frame_is_searched_for_large_faces_at_all_rolls():
    jobs = SecondSearch(GRID).first(0.0, FULL_COST)
    assert sum(job.cost for job in jobs) < 1.5 * FULL_COST
    last = len(GRID.bands) - 1
    assert {round(job.window.roll_degrees) for job in jobs if job.band == last} == {0, -35, 35}
    assert not any(job.band == 0 for job in jobs)


@pytest.mark.parametrize("cell", [(0, 0), (20, 40), (44, 79)])
def test_changed_place_is_searched_at_each_roll_within_a_second(cell):
    search = SecondSearch(GRID)
    search.first(0.0, FULL_COST)
    for second in range(1, 30):
        plan(search, NO_CHANGE, second)
    jobs = [
        job
        for number in range(12)
        for job in plan(search, change(cell) if number == 0 else NO_CHANGE, 30 + number / 12)
    ]
    for band in range(2, len(GRID.bands)):
        for roll in (0, -35, 35):
            assert any(job.band == band and centre_is_covered(job, cell, roll) for job in jobs), (band, roll)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 1.0),
            st.lists(st.tuples(st.integers(0, GRID.rows - 1), st.integers(0, GRID.columns - 1)), max_size=6),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_cost_is_bounded_whatever_changes(frames):
    """Over any time: the credit that is saved, and that which grows; in a frame: its share, or one job."""
    search = SecondSearch(GRID)
    search.first(0.0, FULL_COST)
    seconds = spent = 0.0
    for elapsed, cells in frames:
        seconds += elapsed
        costs = [job.cost for job in plan(search, change(*cells), seconds)]
        spent += sum(costs)
        assert len(costs) <= 1 or sum(costs) <= 0.5 * FULL_COST / SEARCH_FRAMES + max(costs) / 2 + 1e-6
        assert spent <= (1.5 + seconds / 14 + 1e-6) * FULL_COST


def test_scene_without_a_change_is_searched_seldom():
    search = SecondSearch(GRID)
    search.first(0.0, FULL_COST)
    costs = np.array([sum(job.cost for job in plan(search, NO_CHANGE, number / 12)) for number in range(12 * 180)])
    # Once within half a minute, then once in a minute, evenly.
    assert 0 < costs[: 12 * 35].sum() <= 3.5 * FULL_COST
    assert costs.reshape(-1, 12 * 10).sum(axis=1).max() <= 1.3 * FULL_COST
    assert 0 < costs[12 * 120 :].sum() <= 3.5 * FULL_COST


def test_same_changes_give_the_same_jobs():
    one, other = SecondSearch(GRID), SecondSearch(GRID)
    rng = np.random.default_rng(1)
    for number in range(40):
        cells = [tuple(rng.integers(0, (GRID.rows, GRID.columns))) for _ in range(3)]
        assert plan(one, change(*cells), number / 12) == plan(other, change(*cells), number / 12)


def test_frame_that_is_too_small_has_no_jobs():
    grid = SearchGrid(20, 20, 24, 24.0, 20.0)
    assert SecondSearch(grid).first(0.0, 0.0) == []
    assert SecondSearch(grid).plan([], 0.0, 0.0, SEARCH_FRAMES) == []
