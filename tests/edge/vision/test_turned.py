"""Tests of turned windows."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Box
from edge.vision.turned import TurnedWindow, turned_size

COORDINATES = st.floats(-2000, 2000)
WINDOWS = st.builds(
    TurnedWindow,
    st.tuples(COORDINATES, COORDINATES),
    st.floats(0.1, 8),
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.floats(-180, 180),
)
BOXES = st.builds(Box, COORDINATES, COORDINATES, st.floats(1, 500), st.floats(1, 500))


@given(WINDOWS, BOXES)
def test_box_that_is_turned_there_and_back_is_the_same(window, box):
    there_and_back = window.box_to_picture(window.box_from_picture(box))
    for one, other in zip(
        (there_and_back.x, there_and_back.y, there_and_back.width, there_and_back.height),
        (box.x, box.y, box.width, box.height),
        strict=True,
    ):
        assert one == pytest.approx(other, abs=1e-6)


@given(WINDOWS, st.tuples(COORDINATES, COORDINATES))
def test_point_that_is_turned_there_and_back_is_the_same(window, point):
    assert window.from_picture(window.to_picture(point)) == pytest.approx(point, abs=1e-6)


@pytest.mark.parametrize("roll", [-60, -30, 0, 20, 45])
def test_content_stands_where_its_point_says(roll):
    """A bright spot of the picture appears in the window at the point to which it is mapped."""
    picture = np.zeros((200, 300), np.uint8)
    cv2.circle(picture, (180, 90), 4, 255, cv2.FILLED)
    window = TurnedWindow((150, 100), 1.5, 240, 240, roll)
    rows, columns = np.nonzero(window.render(picture) > 128)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(window.from_picture((180.5, 90.5)), abs=0.3)


def test_clockwise_roll_stands_upright():
    """A bar that leans to the right by 30 degrees is upright in a window of that roll."""
    picture = np.zeros((200, 200), np.uint8)
    cv2.line(picture, (60, 169), (140, 31), 255, 3)
    rows, columns = np.nonzero(TurnedWindow((100, 100), 1.0, 200, 200, 30.0).render(picture) > 128)
    assert np.ptp(rows) > 120
    assert np.ptp(columns) < 8


def test_outside_of_the_picture_repeats_its_edge():
    picture = np.full((20, 20), 70, np.uint8)
    assert (TurnedWindow((0, 0), 1.0, 60, 60, 25.0).render(picture) == 70).all()


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(-90, 90))
def test_window_of_the_turned_size_holds_the_picture(width, height, roll):
    across, down = turned_size(width, height, roll)
    window = TurnedWindow((width / 2, height / 2), 1.0, across, down, roll)
    for corner in ((0, 0), (width, 0), (0, height), (width, height)):
        x, y = window.from_picture(corner)
        assert -1e-6 <= x <= across + 1e-6
        assert -1e-6 <= y <= down + 1e-6
