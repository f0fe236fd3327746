import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.augment import augment, frame_face, plain


def face(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([32, 48, 64, 96]))
def test_a_view_is_a_grey_picture_of_the_size_and_a_function_of_the_seed(seed, side):
    image = face(seed)
    before = image.copy()
    view = augment(image, side, np.random.default_rng(seed))
    assert view.shape == (side, side)
    assert view.dtype == np.uint8
    np.testing.assert_array_equal(view, augment(image, side, np.random.default_rng(seed)))
    np.testing.assert_array_equal(image, before)


def test_views_differ_from_seed_to_seed():
    views = {augment(face(0), 48, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(views) == 20


@pytest.mark.parametrize("level", [0, 255])
def test_extreme_pictures_survive(level):
    image = np.full((48, 48), level, dtype=np.uint8)
    for seed in range(40):
        assert augment(image, 64, np.random.default_rng(seed)).shape == (64, 64)


def test_the_face_stays_in_the_middle():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[20:28, 20:28] = 255
    for seed in range(30):
        view = frame_face(image, 96, np.random.default_rng(seed)).astype(float)
        rows, columns = np.mgrid[0:96, 0:96]
        centre = (view * rows).sum() / view.sum(), (view * columns).sum() / view.sum()
        # A tenth of the side is the largest shift; one pixel more for interpolation.
        assert max(abs(value - 47.5) for value in centre) <= 10.6


def test_evaluation_only_resizes():
    image = face(1)
    np.testing.assert_array_equal(plain(image, 48), image)
    assert plain(image, 96).shape == (96, 96)
