"""Polygons: what is wrong with one, what lies in it, and how it turns with the picture."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.source import SourceOptions
from edge.capture.source import oriented as oriented_picture
from edge.config.schema import SourceConfig
from edge.polygon import MAX_CORNERS, MIN_AREA, contains, first_crossing, oriented, problem_of, without_repeats
from support.areas import ANY, SHARES, USABLE

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
ROTATIONS = st.sampled_from([0, 90, 180, 270])
FLIPS = st.sampled_from(["none", "horizontal", "vertical"])


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        (SQUARE, None),
        ([*SQUARE, SQUARE[0]], None),  # closed, as GeoJSON has it
        ([SQUARE[0], *SQUARE], None),
        (SQUARE[:2], "has 2 different corners"),
        ([SQUARE[0]] * 5, "has 1 different corners"),
        ([], "has 0 different corners"),
        ([(0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)], "crosses itself"),  # a bow tie
        ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], "crosses itself"),  # a corner on another side
        ([(0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)], "crosses itself"),  # one corner twice
        ([(0, 0), (1, 0), (0.5, 0), (0.5, 1)], "crosses itself"),  # back along a side
        ([(0, 0), (0.5, 0), (1, 0), (1, 1)], None),  # a corner in the middle of a straight side
        ([(0, 0), (0.001, 0), (0.001, 0.001)], "encloses 5e-05 %"),
        ([(0, 0), (1, 0), (1, -0.1)], r"has the corner \[1, -0.1\]"),
        ([(n / 40, n * n / 1600) for n in range(40)], "has 40 corners, but must have at most 32"),
    ],
)
def test_problem_of_a_polygon_is_named(polygon, words):
    if words is None:
        assert problem_of(polygon) is None
    else:
        assert problem_of(polygon) is not None
        with pytest.raises(ValueError, match=words):
            raise ValueError(problem_of(polygon))


def sides_meet(corners):
    """Whether two sides that are no neighbours have a point in common, by solving for it."""
    sides = list(pairwise([*corners, corners[0]]))
    for first, (a, b) in enumerate(sides):
        for second, (c, d) in enumerate(sides):
            if (second - first) % len(sides) in {0, 1, len(sides) - 1}:
                continue
            matrix = np.array([np.subtract(b, a), np.subtract(c, d)]).T
            if abs(np.linalg.det(matrix)) > 1e-9:
                along, across = np.linalg.solve(matrix, np.subtract(c, a))
                if 1e-6 < along < 1 - 1e-6 and 1e-6 < across < 1 - 1e-6:
                    return True
    return False


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_polygon_is_either_usable_or_has_one_problem(polygon):
    problem = problem_of(polygon)
    corners = without_repeats(polygon)
    if problem is None:
        assert 3 <= len(corners) <= MAX_CORNERS
        assert not sides_meet(corners)
        assert cv2.contourArea(np.array(corners, np.float32)) > 0.9 * MIN_AREA
        # Neither its beginning nor its direction matters.
        assert problem_of(corners[1:] + corners[:1]) is None
        assert problem_of(corners[::-1]) is None
    else:
        assert "\n" not in problem
    if len(corners) > 3 and sides_meet(corners):
        assert problem is not None
        assert first_crossing(corners) is not None or len(polygon) > MAX_CORNERS


@settings(max_examples=60, deadline=None)
@given(USABLE, st.tuples(SHARES, SHARES))
def test_what_lies_in_a_polygon_is_what_opencv_finds_there(polygon, point):
    contour = np.array(polygon, np.float32)
    distance = cv2.pointPolygonTest(contour, point, measureDist=True)
    if abs(distance) > 1e-5:
        assert contains(polygon, point) is (distance > 0)


@settings(max_examples=60, deadline=None)
@given(SHARES, SHARES, ROTATIONS, FLIPS)
def test_point_turns_with_the_picture(x, y, rotate, flip):
    picture = np.zeros((11, 21), np.uint8)
    column, row = round(x * 20), round(y * 10)
    picture[row, column] = 255
    options = SourceOptions(SourceConfig(rotate=rotate, flip=flip))
    turned = oriented_picture(picture, options)
    ((across, down),) = oriented([((column + 0.5) / 21, (row + 0.5) / 11)], rotate, flip)
    height, width = turned.shape
    assert turned[int(down * height), int(across * width)] == 255
