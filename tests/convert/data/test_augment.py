import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.data.augment import CAMERA, Augmentation, augment, random_framing, resize_face


def face(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([32, 48, 64, 96]))
def test_view_has_the_size_and_depends_on_the_seed_only(seed, side):
    image = face(seed)
    before = image.copy()
    view = augment(image, side, CAMERA, np.random.default_rng(seed))
    assert view.shape == (side, side)
    assert view.dtype == np.uint8
    np.testing.assert_array_equal(view, augment(image, side, CAMERA, np.random.default_rng(seed)))
    np.testing.assert_array_equal(image, before)


def test_views_differ_from_seed_to_seed():
    views = {augment(face(0), 48, CAMERA, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(views) == 20


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_images_are_augmented(level):
    image = np.full((48, 48), level, dtype=np.uint8)
    for seed in range(40):
        assert augment(image, 64, CAMERA, np.random.default_rng(seed)).shape == (64, 64)


def test_face_stays_near_the_centre():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[20:28, 20:28] = 255
    for seed in range(30):
        view = random_framing(image, 96, CAMERA, np.random.default_rng(seed)).astype(float)
        rows, columns = np.mgrid[0:96, 0:96]
        centre = (view * rows).sum() / view.sum(), (view * columns).sum() / view.sum()
        # A tenth of the side is the largest shift; one pixel more for interpolation.
        assert max(abs(value - 47.5) for value in centre) <= 10.6


def test_resizing_changes_nothing_else():
    image = face(1)
    np.testing.assert_array_equal(resize_face(image, 48), image)
    assert resize_face(image, 96).shape == (96, 96)


def test_unknown_corruption_is_refused():
    with pytest.raises(ValueError, match=r"chances\.rain must be the chance of one of glasses, mask"):
        Augmentation(chances={"rain": 0.5})
