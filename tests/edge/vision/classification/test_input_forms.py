from itertools import permutations

import pytest

from edge.vision.classification.input_forms import (
    KNOWN_RANGES,
    can_hold,
    describe_range,
    fills,
    other_colours,
    other_ranges,
    range_of_tensor,
)
from edge.vision.classification.manifest import ModelInput

RANGES = [each for each, _ in KNOWN_RANGES]


def spec(value_range=(-1.0, 1.0), colour="gray"):
    return ModelInput(width=48, height=48, colour=colour, value_range=value_range)


@pytest.mark.parametrize(
    ("tensor", "known"),
    [((-0.996, 1.004), (-1, 1)), ((0.0, 0.98), (0, 1)), ((0.0, 255.0), (0, 255)), ((-2.01, 2.4), (-2, 2.44))],
)
def test_tensor_was_quantized_for_the_known_range_that_is_near(tensor, known):
    assert range_of_tensor(tensor) == known


def test_tensor_of_no_known_range_has_its_own():
    assert range_of_tensor((0.0, 0.7)) == (0.0, 0.7)


@pytest.mark.parametrize(("tensor", "other"), list(permutations(RANGES, 2)))
def test_no_two_known_ranges_are_taken_for_each_other(tensor, other):
    assert fills(tensor, tensor)
    assert not fills(tensor, other)


def test_dark_calibration_pictures_explain_a_tensor_that_holds_less_than_the_range():
    assert fills((0.0, 0.75), (0.0, 1.0))


def test_ranges_that_the_tensor_cannot_hold_are_not_tried():
    """A tensor for 0 to 255 keeps two values of 0 to 1, and one for 0 to 1 cuts off nearly all of 0 to 255."""
    assert not can_hold((0.0, 255.0), (0.0, 1.0))
    assert not can_hold((0.0, 1.0), (0.0, 255.0))
    tried = [each.value_range for each in other_ranges(spec((0.0, 255.0)), (-0.996, 1.004))]
    assert tried == [(-1, 1), (0, 1), (-0.5, 0.5)], "its own first"
    assert [each.value_range for each in other_ranges(spec((0.0, 255.0)), (0.0, 255.0))] == []


def test_other_colours_keep_the_rest():
    assert list(other_colours(spec((0.0, 1.0), "rgb"))) == [spec((0.0, 1.0), "bgr"), spec((0.0, 1.0), "gray")]


def test_range_is_shown_as_in_the_manifest_with_its_name():
    assert describe_range((-1.0, 1.0)) == "[-1, 1]"
    assert describe_range((-115.0, 140.0)) == "[-115, 140] (ImageNet's mean, as in Caffe)"
