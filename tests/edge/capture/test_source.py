import numpy as np
import pytest

from edge.capture.source import SourceOptions, oriented
from edge.config.schema import SourceConfig

IMAGE = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (0, "none", [[1, 2, 3], [4, 5, 6]]),
        (90, "none", [[4, 1], [5, 2], [6, 3]]),
        (180, "none", [[6, 5, 4], [3, 2, 1]]),
        (270, "none", [[3, 6], [2, 5], [1, 4]]),
        (0, "horizontal", [[3, 2, 1], [6, 5, 4]]),
        (0, "vertical", [[4, 5, 6], [1, 2, 3]]),
        (90, "horizontal", [[1, 4], [2, 5], [3, 6]]),
        (270, "vertical", [[1, 4], [2, 5], [3, 6]]),
    ],
)
def test_image_is_rotated_clockwise_then_mirrored(rotate, flip, expected):
    options = SourceOptions(SourceConfig(rotate=rotate, flip=flip))
    assert oriented(IMAGE, options).tolist() == expected
    assert oriented(IMAGE[:, ::-1], options).flags.c_contiguous
    colour = oriented(np.dstack([IMAGE] * 3), options)
    assert colour[:, :, 1].tolist() == expected


def test_one_read_may_take_less_than_the_stall_limit():
    assert 0 < SourceOptions(SourceConfig(stall_seconds=2.0)).read_timeout_seconds < 2.0
