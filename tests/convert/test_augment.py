import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.data.augment import CAMERA, Augmentation, augment, frame_face, plain
from convert.data.corruptions import CORRUPTIONS


def face(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([32, 48, 64, 96]))
def test_a_view_is_a_grey_picture_of_the_size_and_a_function_of_the_seed(seed, side):
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
def test_extreme_pictures_survive(level):
    image = np.full((48, 48), level, dtype=np.uint8)
    for seed in range(40):
        assert augment(image, 64, CAMERA, np.random.default_rng(seed)).shape == (64, 64)


def test_the_face_stays_in_the_middle():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[20:28, 20:28] = 255
    for seed in range(30):
        view = frame_face(image, 96, CAMERA, np.random.default_rng(seed)).astype(float)
        rows, columns = np.mgrid[0:96, 0:96]
        centre = (view * rows).sum() / view.sum(), (view * columns).sum() / view.sum()
        # A tenth of the side is the largest shift; one pixel more for interpolation.
        assert max(abs(value - 47.5) for value in centre) <= 10.6


def test_evaluation_only_resizes():
    image = face(1)
    np.testing.assert_array_equal(plain(image, 48), image)
    assert plain(image, 96).shape == (96, 96)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(list(CORRUPTIONS)), strength=st.floats(0, 1), seed=st.integers(0, 999))
def test_a_corruption_gives_a_new_picture_of_the_same_shape(name, strength, seed):
    image = np.asarray(cv2.resize(face(seed), (96, 96)))
    before = image.copy()
    spoilt = CORRUPTIONS[name](image, strength, np.random.default_rng(seed))
    assert spoilt.shape == image.shape
    assert spoilt.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_stronger_corruption_changes_more(name):
    image = np.asarray(cv2.GaussianBlur(cv2.resize(face(3), (96, 96)), (0, 0), 3))

    def change(strength):
        views = [CORRUPTIONS[name](image, strength, np.random.default_rng(seed)) for seed in range(30)]
        return np.mean([np.abs(view.astype(float) - image).mean() for view in views])

    assert change(1.0) > change(0.5) > 0


def test_a_chance_for_something_unheard_of_is_refused():
    with pytest.raises(ValueError, match=r"chances\.rain = 0\.5: corruptions are glasses"):
        Augmentation(chances={"rain": 0.5})
