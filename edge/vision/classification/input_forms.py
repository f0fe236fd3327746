"""Lists the value ranges and colours with which networks are trained, for a model that reads faces badly with its own.

A manifest states one range for all channels, so what subtracts another mean in each channel is given by its average.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from edge.vision.classification.manifest import Colour, ModelInput
from edge.vision.classification.preprocess import LEVELS

ValueRange = tuple[float, float]

KNOWN_RANGES: Final[tuple[tuple[ValueRange, str], ...]] = (
    ((-1.0, 1.0), ""),
    ((0.0, 1.0), ""),
    ((0.0, 255.0), ""),
    ((-2.0, 2.44), "ImageNet's mean and deviation"),
    ((-115.0, 140.0), "ImageNet's mean, as in Caffe"),
    ((-0.5, 0.5), ""),
)
"""Real values of the pixel values 0 and 255, with the name of those that are known by one.

ImageNet's means are 0.485, 0.456 and 0.406 of the range from 0 to 1, on average 0.449, and its deviations 0.226 on
average (torchvision): (0 - 0.449) / 0.226 = -1.99, (1 - 0.449) / 0.226 = 2.44. Caffe's models subtract 104, 117 and 124
of 255, on average 115."""
_COLOURS: Final[tuple[Colour, ...]] = ("rgb", "bgr", "gray")
_SAME: Final = 0.05
"""Difference of two ranges, as a share of the wider one, up to which they are the same."""
_CUT_OFF: Final = 0.35
"""Share of a range outside what an input tensor can hold, up to which calibration pictures explain it: they need not
hold black or white."""
_FILLED: Final = 0.65
"""Share of an input tensor that a range must fill to be what it was quantized for. Of two different ranges of
KNOWN_RANGES one is cut off by 0.44 or more, or fills 0.56 or less."""
_FEWEST_STEPS: Final = 32
"""Values that 256 pixel values must keep: the input of a model that was quantized for 0 to 255 leaves two of 0 to 1."""


def is_same(one: ValueRange, other: ValueRange) -> bool:
    """Return whether two ranges differ by no more than rounding and calibration explain."""
    tolerance = _SAME * max(one[1] - one[0], other[1] - other[0])
    return all(abs(first - second) <= tolerance for first, second in zip(one, other, strict=True))


def can_hold(tensor: ValueRange, values: ValueRange) -> bool:
    """Return whether an 8-bit input tensor can hold a range without cutting off much, and in enough steps.

    `tensor`: real values of its lowest and highest integer.
    """
    common = min(tensor[1], values[1]) - max(tensor[0], values[0])
    steps = common / (tensor[1] - tensor[0]) * LEVELS
    return common >= (1 - _CUT_OFF) * (values[1] - values[0]) and steps >= _FEWEST_STEPS


def fills(tensor: ValueRange, values: ValueRange) -> bool:
    """Return whether an input tensor may have been quantized for a range: it holds most of it, and little else."""
    common = min(tensor[1], values[1]) - max(tensor[0], values[0])
    return common >= (1 - _CUT_OFF) * (values[1] - values[0]) and common >= _FILLED * (tensor[1] - tensor[0])


def range_of_tensor(tensor: ValueRange) -> ValueRange:
    """Return the range that an input tensor was quantized for: a known one where it is near one, else its own."""
    known = [each for each, _ in KNOWN_RANGES if is_same(each, tensor)]
    return known[0] if known else (round(tensor[0], 3), round(tensor[1], 3))


def other_ranges(stated: ModelInput, tensor: ValueRange) -> Iterator[ModelInput]:
    """Yield the input with each other range that the tensor can hold: first a known one that it was quantized for."""
    own, known = range_of_tensor(tensor), [each for each, _ in KNOWN_RANGES]
    for each in sorted(known, key=lambda one: one != own) if own in known else [*known, own]:
        if not is_same(each, stated.value_range) and can_hold(tensor, each):
            yield msgspec.structs.replace(stated, value_range=each)


def other_colours(stated: ModelInput) -> Iterator[ModelInput]:
    """Yield the input with each other colour; for a tensor of three channels."""
    for colour in _COLOURS:
        if colour != stated.colour:
            yield msgspec.structs.replace(stated, colour=colour)


def describe_range(value_range: ValueRange) -> str:
    """Return a range as the manifest holds it, with its name where it has one: `[-2, 2.44]` (ImageNet's ...)."""
    low, high = value_range
    name = dict(KNOWN_RANGES).get(value_range, "")
    return f"[{low:g}, {high:g}]" + (f" ({name})" if name else "")
