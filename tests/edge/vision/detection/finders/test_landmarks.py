import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Box
from edge.vision.detection.finders.landmarks import Landmarks
from edge.vision.detection.finders.square import YUNET_FRAMING, face_square

HEAD = ((-165, -170, 0), (165, -170, 0), (0, 0, 135), (-150, 150, 10), (150, 150, 10))
"""Eyes, nose and corners of the mouth of a head, x to the right, y down, z towards the camera."""


def seen(yaw_degrees=0.0, roll_degrees=0.0, size=1.0, centre=(0.0, 0.0)):
    """Project the head after a turn about its vertical axis and a clockwise tilt."""
    yaw, roll = math.radians(yaw_degrees), math.radians(roll_degrees)
    points = []
    for x, y, z in HEAD:
        across = x * math.cos(yaw) + z * math.sin(yaw)
        points.append(
            (
                centre[0] + size * (math.cos(roll) * across - math.sin(roll) * y),
                centre[1] + size * (math.sin(roll) * across + math.cos(roll) * y),
            )
        )
    return Landmarks(*points)


@given(yaw=st.floats(-80, 80), roll=st.floats(-179, 179), size=st.floats(0.05, 3), x=st.floats(-900, 900))
def test_roll_and_turn_of_a_head_are_found_whatever_its_size_and_place(yaw, roll, size, x):
    face = seen(yaw, roll, size, (x, 40.0))
    assert math.remainder(face.roll_degrees - roll, 360) == pytest.approx(0, abs=2)
    assert face.turn == pytest.approx(abs(yaw) / 90, abs=0.06)


def test_profile_whose_far_eye_is_beyond_the_near_one_is_turned_as_far_as_can_be():
    points = Landmarks((52, 40), (48, 40), (20, 60), (40, 80), (42, 80))
    assert points.turn == 1


def test_points_in_one_place_have_no_roll_and_no_turn():
    face = Landmarks(*[(3.0, 3.0)] * 5)
    assert (face.roll_degrees, face.turn) == (0.0, 0.0)


@given(factor=st.floats(0.1, 10))
def test_scaled_landmarks_show_the_same_face(factor):
    face = seen(30, 20)
    assert face.scaled(factor).roll_degrees == pytest.approx(face.roll_degrees)
    assert face.scaled(factor).turn == pytest.approx(face.turn)
    assert face.scaled(factor).nose == pytest.approx([factor * value for value in face.nose], abs=1e-9)


def test_square_of_a_tilted_face_rises_towards_its_forehead():
    box = Box(10, 20, 30, 40)
    upright, on_its_side = (face_square(box, roll, YUNET_FRAMING) for roll in (0, 90))
    assert upright.width == upright.height == on_its_side.width
    assert upright.centre[0] == pytest.approx(box.centre[0])
    assert upright.centre[1] < box.centre[1]
    assert on_its_side.centre[0] > box.centre[0]
    assert on_its_side.centre[1] == pytest.approx(box.centre[1])
