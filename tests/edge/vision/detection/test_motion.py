"""Tests of change detection on drawn pictures."""

import numpy as np
import pytest

from edge.types import Box
from edge.vision.detection.grid import SearchGrid
from edge.vision.detection.motion import ChangeMap
from edge.vision.pyramid import ImagePyramid

SHAPE = (480, 640)
FACE = Box(200.0, 150.0, 96.0, 96.0)


@pytest.fixture
def changes():
    """A change map of a grey wall on which everything was searched."""
    made = ChangeMap(SearchGrid(640, 480, 24, 48.0, 480.0))
    made.update(ImagePyramid(wall()))
    made.mark_all_searched()
    return made


def wall(grey=100):
    return np.full(SHAPE, grey, np.uint8)


def with_patch(luma, box, grey):
    luma = luma.copy()
    luma[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)] = grey
    return luma


def changed_masks(changes, luma, tracked=()):
    changes.update(ImagePyramid(luma))
    return changes.changed(tracked)


def any_change(masks):
    return any(mask is not None for mask in masks)


def test_equal_frame_has_no_change(changes):
    assert not any_change(changed_masks(changes, wall()))


def test_noise_is_not_a_change(changes):
    rng = np.random.default_rng(1)
    noisy = np.clip(wall() + rng.normal(0, 15, SHAPE), 0, 255).astype(np.uint8)
    assert not any_change(changed_masks(changes, noisy))


def test_new_face_changes_its_place(changes):
    masks = changed_masks(changes, with_patch(wall(), FACE, 130))
    left, top, right, bottom = changes.cells_of(FACE)
    for mask in masks[:3]:  # the sizes up to the face's
        rows, columns = np.nonzero(mask)
        assert abs(columns.mean() - (left + right - 1) / 2) <= 1
        assert abs(rows.mean() - (top + bottom - 1) / 2) <= 1


def test_slow_change_adds_up(changes):
    steps = [any_change(changed_masks(changes, wall(100 + step))) for step in range(1, 10)]
    assert steps[0] is False
    assert steps[-1] is True


def test_search_clears_the_change_of_its_band_and_place_only(changes):
    luma = with_patch(wall(), FACE, 130)
    masks = changed_masks(changes, luma)
    changed = [number for number, mask in enumerate(masks) if mask is not None]
    all_cells = (0, 0, masks[0].shape[1], masks[0].shape[0])
    changes.mark_searched(0, all_cells)
    left = [number for number, mask in enumerate(changes.changed(())) if mask is not None]
    assert left == changed[1:]
    changes.mark_searched(1, (0, 0, 2, 2))
    assert changes.changed(())[1] is not None


def test_tracked_faces_are_not_a_change(changes):
    luma = with_patch(wall(), FACE, 130)
    assert not any_change(changed_masks(changes, luma, [FACE])[:3])
    other = Box(450.0, 150.0, 96.0, 96.0)
    masks = changed_masks(changes, with_patch(luma, other, 60), [FACE])
    _, columns = np.nonzero(masks[0])
    assert columns.min() >= changes.cells_of(other)[0] - 2
    # A face that has left changes its place.
    changes.mark_all_searched()
    assert any_change(changed_masks(changes, wall()))


def test_patch_differs_after_a_change_of_its_place(changes):
    patch = changes.patch(FACE)
    changes.update(ImagePyramid(with_patch(wall(), Box(0, 0, 60, 60), 200)))
    assert not changes.differs(FACE, patch)
    changes.update(ImagePyramid(with_patch(wall(), FACE, 120)))
    assert changes.differs(FACE, patch)


@pytest.mark.parametrize(
    "box", [Box(-50, -20, 30, 10), Box(630, 470, 90, 90), Box(10, 10, 0.5, 0.5), Box(-9, -9, 900, 900)]
)
def test_cells_of_any_box_are_inside_the_frame(changes, box):
    left, top, right, bottom = changes.cells_of(box)
    assert 0 <= left < right <= 53
    assert 0 <= top < bottom <= 40
