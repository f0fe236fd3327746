"""Tests of the division of a frame into bands, tiles and jobs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.detection.grid import SearchGrid, window_sizes

WINDOW = 24
STEP = 1.1
grids = st.builds(
    lambda width, height, smallest: SearchGrid(
        width, height, WINDOW, max(WINDOW, smallest * min(width, height)), height
    ),
    st.integers(160, 1920),
    st.integers(120, 1080),
    st.floats(0.05, 0.4),
)


@given(grids)
def test_bands_do_not_overlap_and_tiles_cover_each_cell_once(grid):
    for one, other in zip(grid.bands, grid.bands[1:], strict=False):
        assert other.smallest << other.octave >= one.largest << one.octave
    for number in range(len(grid.bands)):
        count = np.zeros((grid.rows, grid.columns), dtype=int)
        for tile in grid.tiles:
            if tile.band == number:
                left, top, right, bottom = tile.cells
                count[top:bottom, left:right] += 1
        assert (count == 1).all()


def test_sizes_of_all_bands_have_no_gap():
    grid = SearchGrid(640, 480, WINDOW, 48.0, 480.0)
    sizes = [
        size << band.octave for band in grid.bands for size in window_sizes(WINDOW, STEP, band.smallest, band.largest)
    ]
    assert min(sizes) == 48
    assert max(sizes) > 480 / 1.1
    assert max(np.array(sizes[1:]) / sizes[:-1]) < 1.15


@given(grids, st.data())
def test_region_contains_every_window_with_its_centre_in_the_cells(grid, data):
    tile = data.draw(st.sampled_from(grid.tiles))
    band = grid.bands[tile.band]
    job = grid.job(tile.band, tile.cells, STEP)
    cell = grid.cell_px / 2**band.octave
    width, height = grid.size(band.octave)
    left, top, right, bottom = tile.cells
    assert job.region[0] <= max(0, left * cell - band.largest / 2)
    assert job.region[1] <= max(0, top * cell - band.largest / 2)
    assert job.region[2] >= min(width, right * cell + band.largest / 2)
    assert job.region[3] >= min(height, bottom * cell + band.largest / 2)
