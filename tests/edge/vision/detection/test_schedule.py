"""The plan of the search alone: no pictures, no cascade."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.levels import LADDER
from edge.vision.detection.grid import SearchGrid, window_sizes
from edge.vision.detection.schedule import REFRESH_SECONDS, Schedule

WINDOW = 24
STEP = 1.1
FPS = 25.0
layouts = st.builds(
    lambda width, height, smallest: SearchGrid(
        width, height, WINDOW, max(WINDOW, smallest * min(width, height)), height
    ),
    st.integers(160, 1920),
    st.integers(120, 1080),
    st.floats(0.05, 0.4),
)


def vga():
    return SearchGrid(640, 480, WINDOW, 48.0, 480.0)


def everything(layout):
    return [np.ones((layout.rows, layout.columns), dtype=np.uint8) for _ in layout.bands]


def nothing(layout):
    return [None] * len(layout.bands)


def cost(jobs):
    return sum(job.cost for job in jobs)


def all_searched(layout, jobs):
    """Tell whether jobs search every cell of every band in which the step leaves a size to search."""
    done = searched(layout, jobs)
    sizes = [window_sizes(WINDOW, STEP, band.smallest, band.largest) for band in layout.bands]
    assert any(sizes)
    return all(mask.all() for mask, has in zip(done, sizes, strict=True) if has)


def searched(layout, jobs):
    """Return the cells of each band that jobs search, as a mask."""
    done = [np.zeros((layout.rows, layout.columns), dtype=np.uint8) for _ in layout.bands]
    for job in jobs:
        left, top, right, bottom = job.cells
        done[job.band][top:bottom, left:right] = 1
    return done


@given(layouts)
def test_the_bands_hold_every_size_and_the_tiles_every_place(layout):
    for one, other in zip(layout.bands, layout.bands[1:], strict=False):
        assert other.smallest << other.octave >= one.largest << one.octave
    for number in range(len(layout.bands)):
        count = np.zeros((layout.rows, layout.columns), dtype=int)
        for tile in layout.tiles:
            if tile.band == number:
                left, top, right, bottom = tile.cells
                count[top:bottom, left:right] += 1
        assert (count == 1).all()


def test_the_sizes_are_those_of_one_search_without_a_gap():
    layout = vga()
    sizes = [
        size << band.octave for band in layout.bands for size in window_sizes(WINDOW, STEP, band.smallest, band.largest)
    ]
    assert min(sizes) == 48
    assert max(sizes) > 480 / 1.1
    assert max(np.array(sizes[1:]) / sizes[:-1]) < 1.15


@given(layouts, st.data())
def test_what_a_region_leaves_out_is_outside_every_window_with_its_centre_in_the_cells(layout, data):
    tile = data.draw(st.sampled_from(layout.tiles))
    band = layout.bands[tile.band]
    job = layout.search(tile.band, tile.cells, STEP)
    cell = layout.cell_px / 2**band.octave
    width, height = layout.size(band.octave)
    left, top, right, bottom = tile.cells
    assert job.region[0] <= max(0, left * cell - band.largest / 2)
    assert job.region[1] <= max(0, top * cell - band.largest / 2)
    assert job.region[2] >= min(width, right * cell + band.largest / 2)
    assert job.region[3] >= min(height, bottom * cell + band.largest / 2)


@given(layouts, st.sampled_from([level.search_frames for level in LADDER]), st.integers(0, 5))
def test_where_all_changes_at_once_all_is_searched_within_the_levels_frames(layout, frames, before):
    schedule = Schedule(layout)
    for number in range(before):
        schedule.plan(nothing(layout), number / FPS, frames, STEP)
    done = [
        job
        for number in range(frames)
        for job in schedule.plan(everything(layout), before + number / FPS, frames, STEP)
    ]
    assert all_searched(layout, done)


@given(layouts, st.sampled_from([level.search_frames for level in LADDER]), st.booleans(), st.integers(0, 2**32 - 1))
def test_no_frame_pays_much_more_than_its_share(layout, frames, whole, seed):
    schedule = Schedule(layout)
    rng = np.random.default_rng(seed)
    jobs, full = schedule.full(STEP)
    share, largest = full / frames, max(job.cost for job in jobs)
    spent = []
    for number in range(40):
        changed = (
            everything(layout)
            if whole
            else [(rng.random((layout.rows, layout.columns)) < 0.02).astype(np.uint8) for _ in layout.bands]
        )
        spent.append(cost(schedule.plan(changed, number / FPS, frames, STEP)))
    # One job may go over the share; the refresh has one of its own, and saves up for at most one more job.
    assert max(spent) <= 2 * share + 2 * largest
    if whole:
        assert np.mean(spent) >= 0.9 * share


@given(st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_a_place_that_changes_is_searched_soon_whatever_else_moves(before, seed):
    layout, level = vga(), LADDER[0]
    schedule = Schedule(layout)
    rng = np.random.default_rng(seed)
    moving = rng.random(len(layout.tiles)) < 0.5
    target = int(rng.integers(len(layout.tiles)))
    tile = layout.tiles[target]
    done = []
    for number in range(before + level.search_frames):
        changed = [np.zeros((layout.rows, layout.columns), dtype=np.uint8) for _ in layout.bands]
        for index, other in enumerate(layout.tiles):
            left, top, right, bottom = other.cells
            if (moving[index] and index != target) or (index == target and number >= before):
                changed[other.band][top:bottom, left:right] = 1
        jobs = schedule.plan(changed, number / FPS, level.search_frames, STEP)
        done += jobs if number >= before else []
    left, top, right, bottom = tile.cells
    assert searched(layout, done)[tile.band][top:bottom, left:right].all()


@given(layouts, st.sampled_from([5.0, 12.5, 25.0, 30.0]))
def test_a_still_scene_is_searched_again_by_and_by(layout, fps):
    schedule = Schedule(layout)
    spent, done = [], []
    for number in range(int(1.5 * REFRESH_SECONDS * fps) + 2):
        jobs = schedule.plan(nothing(layout), number / fps, 6, STEP)
        spent.append(cost(jobs))
        done += jobs
    assert all_searched(layout, done)
    assert np.mean(spent) <= 1.2 * schedule.full(STEP)[1] / REFRESH_SECONDS / fps


def test_a_change_that_goes_back_is_forgotten():
    layout = vga()
    schedule = Schedule(layout)
    schedule.plan(everything(layout), 0.0, 1000, STEP)
    assert schedule.plan(nothing(layout), 0.0, 1000, STEP) == []


def test_a_coarser_step_costs_less():
    schedule = Schedule(vga())
    assert schedule.full(1.2)[1] < 0.7 * schedule.full(1.1)[1]


def test_the_same_changes_give_the_same_plan():
    layout = vga()
    one, other = Schedule(layout), Schedule(layout)
    for number in range(20):
        changed = [
            (np.random.default_rng(number).random((layout.rows, layout.columns)) < 0.1).astype(np.uint8)
            for _ in layout.bands
        ]
        assert one.plan(changed, number / FPS, 6, STEP) == other.plan(changed, number / FPS, 6, STEP)
