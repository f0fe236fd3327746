"""Tests of the image pyramid and of reductions."""

import numpy as np
import pytest

from edge.vision.pyramid import ImagePyramid, halved, halved_to, reduced_to_width


def test_halving_averages_two_by_two_pixels_and_drops_odd_ones():
    picture = np.array([[10, 20, 99], [30, 40, 99], [99, 99, 99]], dtype=np.uint8)
    np.testing.assert_array_equal(halved(picture), [[25]])


def test_octaves_are_halved_once_each():
    luma = np.random.default_rng(1).integers(0, 256, (50, 71), dtype=np.uint8)
    pyramid = ImagePyramid(luma)
    assert pyramid.at_octave(0) is luma
    assert pyramid.at_octave(2).shape == (12, 17)
    np.testing.assert_array_equal(pyramid.at_octave(2), halved(halved(luma)))
    assert pyramid.at_octave(1) is pyramid.at_octave(1)


@pytest.mark.parametrize(("side", "expected"), [(99, 99), (64, 64), (127, 127), (128, 64), (640, 80)])
def test_picture_is_halved_as_often_as_the_side_allows(side, expected):
    assert halved_to(np.zeros((side, side), np.uint8), 64).shape == (expected, expected)


@pytest.mark.parametrize(
    ("shape", "expected"), [((480, 640), (240, 320)), ((100, 320), (100, 320)), ((1, 640), (1, 320))]
)
def test_picture_is_reduced_to_the_width_and_never_enlarged(shape, expected):
    assert reduced_to_width(np.zeros(shape, np.uint8), 320).shape == expected
