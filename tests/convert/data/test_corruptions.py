import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.data.corruptions import CORRUPTIONS


def face(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(list(CORRUPTIONS)), strength=st.floats(0, 1), seed=st.integers(0, 999))
def test_corruption_returns_a_new_image_of_the_same_shape(name, strength, seed):
    image = np.asarray(cv2.resize(face(seed), (96, 96)))
    before = image.copy()
    spoilt = CORRUPTIONS[name](image, strength, np.random.default_rng(seed))
    assert spoilt.shape == image.shape
    assert spoilt.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_stronger_corruption_changes_more(name):
    image = np.asarray(cv2.GaussianBlur(cv2.resize(face(3), (96, 96)), (0, 0), 3))

    def change(strength):
        views = [CORRUPTIONS[name](image, strength, np.random.default_rng(seed)) for seed in range(30)]
        return np.mean([np.abs(view.astype(float) - image).mean() for view in views])

    assert change(1.0) > change(0.5) > 0
