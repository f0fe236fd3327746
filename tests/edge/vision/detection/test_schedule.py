"""Tests of the search schedule alone, without pictures and cascades."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.levels import LADDER
from edge.vision.detection.grid import SearchGrid, window_sizes
from edge.vision.detection.schedule import REFRESH_SECONDS, Schedule

WINDOW = 24
STEP = 1.1
FPS = 25.0
grids = st.builds(
    lambda width, height, smallest: SearchGrid(
        width, height, WINDOW, max(WINDOW, smallest * min(width, height)), height
    ),
    st.integers(160, 1920),
    st.integers(120, 1080),
    st.floats(0.05, 0.4),
)


def vga():
    return SearchGrid(640, 480, WINDOW, 48.0, 480.0)


def everything(grid):
    return [np.ones((grid.rows, grid.columns), dtype=np.uint8) for _ in grid.bands]


def nothing(grid):
    return [None] * len(grid.bands)


def cost(jobs):
    return sum(job.cost for job in jobs)


def all_searched(grid, jobs):
    """Return whether jobs search every cell of every band in which the step leaves a size to search."""
    done = searched(grid, jobs)
    sizes = [window_sizes(WINDOW, STEP, band.smallest, band.largest) for band in grid.bands]
    assert any(sizes)
    return all(mask.all() for mask, has in zip(done, sizes, strict=True) if has)


def searched(grid, jobs):
    """Return the cells of each band that jobs search, as a mask."""
    done = [np.zeros((grid.rows, grid.columns), dtype=np.uint8) for _ in grid.bands]
    for job in jobs:
        left, top, right, bottom = job.cells
        done[job.band][top:bottom, left:right] = 1
    return done


@given(grids, st.sampled_from([level.search_frames for level in LADDER]), st.integers(0, 5))
def test_change_of_the_whole_frame_is_searched_within_search_frames(grid, frames, before):
    schedule = Schedule(grid)
    for number in range(before):
        schedule.plan(nothing(grid), number / FPS, frames, STEP)
    done = [
        job for number in range(frames) for job in schedule.plan(everything(grid), before + number / FPS, frames, STEP)
    ]
    assert all_searched(grid, done)


@given(grids, st.sampled_from([level.search_frames for level in LADDER]), st.booleans(), st.integers(0, 2**32 - 1))
def test_cost_per_frame_is_bounded(grid, frames, whole, seed):
    schedule = Schedule(grid)
    rng = np.random.default_rng(seed)
    jobs, full = schedule.full_search(STEP)
    share, largest = full / frames, max(job.cost for job in jobs)
    spent = []
    for number in range(40):
        changed = (
            everything(grid)
            if whole
            else [(rng.random((grid.rows, grid.columns)) < 0.02).astype(np.uint8) for _ in grid.bands]
        )
        spent.append(cost(schedule.plan(changed, number / FPS, frames, STEP)))
    # One job may exceed the share; the refresh has a share of its own, and saves up for at most one more job.
    assert max(spent) <= 2 * share + 2 * largest
    if whole:
        assert np.mean(spent) >= 0.9 * share


@given(st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_changed_tile_is_searched_within_search_frames_whatever_else_moves(before, seed):
    grid, level = vga(), LADDER[0]
    schedule = Schedule(grid)
    rng = np.random.default_rng(seed)
    moving = rng.random(len(grid.tiles)) < 0.5
    target = int(rng.integers(len(grid.tiles)))
    tile = grid.tiles[target]
    done = []
    for number in range(before + level.search_frames):
        changed = [np.zeros((grid.rows, grid.columns), dtype=np.uint8) for _ in grid.bands]
        for index, other in enumerate(grid.tiles):
            left, top, right, bottom = other.cells
            if (moving[index] and index != target) or (index == target and number >= before):
                changed[other.band][top:bottom, left:right] = 1
        jobs = schedule.plan(changed, number / FPS, level.search_frames, STEP)
        done += jobs if number >= before else []
    left, top, right, bottom = tile.cells
    assert searched(grid, done)[tile.band][top:bottom, left:right].all()


@given(grids, st.sampled_from([5.0, 12.5, 25.0, 30.0]))
def test_still_scene_is_refreshed_at_an_even_cost(grid, fps):
    schedule = Schedule(grid)
    spent, done = [], []
    for number in range(int(1.5 * REFRESH_SECONDS * fps) + 2):
        jobs = schedule.plan(nothing(grid), number / fps, 6, STEP)
        spent.append(cost(jobs))
        done += jobs
    assert all_searched(grid, done)
    assert np.mean(spent) <= 1.2 * schedule.full_search(STEP)[1] / REFRESH_SECONDS / fps


def test_change_that_reverts_is_not_searched():
    grid = vga()
    schedule = Schedule(grid)
    schedule.plan(everything(grid), 0.0, 1000, STEP)
    assert schedule.plan(nothing(grid), 0.0, 1000, STEP) == []


def test_larger_step_costs_less():
    schedule = Schedule(vga())
    assert schedule.full_search(1.2)[1] < 0.7 * schedule.full_search(1.1)[1]


def test_equal_changes_give_equal_plans():
    grid = vga()
    one, other = Schedule(grid), Schedule(grid)
    for number in range(20):
        changed = [
            (np.random.default_rng(number).random((grid.rows, grid.columns)) < 0.1).astype(np.uint8) for _ in grid.bands
        ]
        assert one.plan(changed, number / FPS, 6, STEP) == other.plan(changed, number / FPS, 6, STEP)


@given(grids, st.sampled_from([level.search_frames for level in LADDER]))
def test_small_faces_cost_a_frame_no_more_than_the_search_that_sets_their_pace(grid, frames):
    half = grid.bands[len(grid.bands) // 2]
    prompt, small = grid.divided(half.smallest << half.octave)
    assert sorted(prompt + small) == list(range(len(grid.bands)))
    prompt_schedule = Schedule(grid, prompt)
    schedule = Schedule(grid, small, prompt_schedule)
    whole, total = schedule.full_search(STEP)
    if not total or not prompt_schedule.full_search(STEP)[1]:
        return
    limit = min(total, prompt_schedule.full_search(STEP)[1]) / frames + max(job.cost for job in whole)
    changed, done = everything(grid), []
    needed = frames * math.ceil(total / prompt_schedule.full_search(STEP)[1])
    for number in range(needed):
        jobs = schedule.plan(changed, number / FPS, frames, STEP)
        assert cost(jobs) <= 2 * limit + 1e-6, "changes and refresh"
        assert {job.band for job in jobs} <= set(small)
        done += jobs
        for job in jobs:
            left, top, right, bottom = job.cells
            changed[job.band][top:bottom, left:right] = 0
    masks = searched(grid, done)
    for band in small:
        if window_sizes(WINDOW, STEP, grid.bands[band].smallest, grid.bands[band].largest):
            assert masks[band].all(), "later, but not never"
