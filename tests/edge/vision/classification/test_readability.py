import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.scripted.renderer import Pose, Renderer
from edge.capture.scripted.script import EMOTIONS
from edge.types import Box, Detection
from edge.vision.classification.readability import (
    MAX_TURN,
    MIN_SHARPNESS,
    MIN_SIDE_PX,
    Obstacle,
    inside_shares,
    is_blurred,
    obstacle_of_place,
    sharpness,
)

FACE = Box(202.0, 110.0, 199.0, 199.0)
"""Where the actor's face is in its first frame."""
SHAPE = (480, 640)


@pytest.fixture(scope="module")
def pictures():
    """The actor with each expression."""
    renderer = Renderer(1)
    return [renderer.draw(Pose(emotion, emotion, 256, 256), 0, 15.0) for emotion in EMOTIONS]


def detection(box=FACE, roll_degrees=0.0, turn=None):
    return Detection(box, 9, verified=True, roll_degrees=roll_degrees, turn=turn)


def blurred(picture, share):
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), share * FACE.width))


def moved(picture, share, *, down):
    length = round(share * FACE.width)
    return np.asarray(cv2.blur(picture, (1, length) if down else (length, 1)))


def test_face_is_sharp_until_it_is_out_of_focus_or_moves(pictures):
    for picture in pictures:
        looks = [blurred(picture, share) for share in (0.01, 0.03, 0.06, 0.1)]
        values = [sharpness(look, FACE) for look in (picture, *looks)]
        assert values == sorted(values, reverse=True)
        assert not is_blurred(picture, detection())
        assert not is_blurred(looks[0], detection())
        assert is_blurred(looks[-1], detection())
        for down in (False, True):
            assert is_blurred(moved(picture, 0.4, down=down), detection())
            assert not is_blurred(moved(picture, 0.05, down=down), detection())


def test_light_size_and_noise_hardly_change_sharpness(pictures):
    noise = np.random.default_rng(1).normal(0, 8, SHAPE)
    for picture in pictures:
        usual = sharpness(picture, FACE)
        dark = np.asarray(picture * 0.3 + 10, dtype=np.uint8)
        assert sharpness(dark, FACE) == pytest.approx(usual, rel=0.1)
        assert sharpness(np.clip(picture + noise, 0, 255).astype(np.uint8), FACE) == pytest.approx(usual, rel=0.1)
        for factor in (0.2, 0.35, 0.5):
            small = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
            assert sharpness(small, FACE.scaled(factor)) == pytest.approx(usual, rel=0.25)


def test_turned_face_is_as_sharp_and_blurred_when_it_is_blurred(pictures):
    centre = FACE.centre
    for picture, degrees in itertools.product(pictures[:2], (-45.0, 30.0)):
        matrix = cv2.getRotationMatrix2D(centre, -degrees, 1.0)
        turned = np.asarray(cv2.warpAffine(picture, matrix, SHAPE[::-1], borderMode=cv2.BORDER_REPLICATE))
        assert sharpness(turned, FACE, degrees) == pytest.approx(sharpness(picture, FACE), rel=0.15)
        assert is_blurred(blurred(turned, 0.1), detection(roll_degrees=degrees))


@pytest.mark.parametrize("level", [0, 90, 255])
def test_flat_picture_is_blurred(level):
    assert sharpness(np.full(SHAPE, level, np.uint8), FACE) == 0 < MIN_SHARPNESS


PLACES = st.floats(-900, 900)


@given(PLACES, PLACES, st.floats(1, 400), st.floats(-90, 90), st.sampled_from([SHAPE, (90, 60)]))
def test_sharpness_and_shares_of_any_box_are_in_range(x, y, side, roll, shape):
    """Also of one outside the frame, which a prediction may be."""
    luma = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert 0 <= sharpness(luma, Box(x, y, side, side), roll) < 10
    inside, mouth = inside_shares(Box(x, y, side, side), roll, shape)
    assert 0 <= inside <= 1
    assert 0 <= mouth <= 1
    if x >= side and y >= side and x + 2 * side <= shape[1] and y + 2 * side <= shape[0]:
        assert (inside, mouth) == (1, 1)


@pytest.mark.parametrize(
    ("face", "obstacle"),
    [
        (detection(), None),
        (detection(Box(300, 200, MIN_SIDE_PX, MIN_SIDE_PX)), None),
        (detection(Box(300, 200, MIN_SIDE_PX - 1, MIN_SIDE_PX - 1)), Obstacle.SMALL),
        (detection(turn=MAX_TURN), None),
        (detection(turn=0.9), Obstacle.TURNED),
        (detection(Box(-40, 100, 100, 100)), None),
        (detection(Box(-60, 100, 100, 100)), Obstacle.OUTSIDE),
        (detection(Box(600, 100, 100, 100)), Obstacle.OUTSIDE),
        (detection(Box(200, -40, 100, 100)), None),
        (detection(Box(200, -60, 100, 100)), Obstacle.OUTSIDE),
        (detection(Box(200, 400, 100, 100)), None),
        (detection(Box(200, 415, 100, 100)), Obstacle.OUTSIDE),  # without the mouth
        (detection(Box(-40, -40, 100, 100)), Obstacle.OUTSIDE),
        # Turned clockwise by 60 degrees, the chin points to the left.
        (detection(Box(-35, 100, 100, 100)), None),
        (detection(Box(-35, 100, 100, 100), roll_degrees=60), Obstacle.OUTSIDE),
        (detection(Box(-35, 100, 100, 100), roll_degrees=-60), None),
        (detection(Box(2000, 2000, 100, 100)), Obstacle.OUTSIDE),
    ],
)
def test_small_turned_and_half_hidden_faces_cannot_be_read(face, obstacle):
    assert obstacle_of_place(face, SHAPE) is obstacle


@pytest.mark.parametrize(("first_row", "obstacle"), [(0, Obstacle.OUTSIDE), (160, Obstacle.OUTSIDE), (200, None)])
def test_what_a_mask_hides_counts_as_outside_the_frame(first_row, obstacle):
    hidden = np.zeros(SHAPE, bool)
    hidden[first_row:200, :] = True
    assert obstacle_of_place(detection(Box(200, 100, 100, 100)), SHAPE, hidden) is obstacle
    assert obstacle_of_place(detection(Box(200, 210, 100, 100)), SHAPE, hidden) is None
