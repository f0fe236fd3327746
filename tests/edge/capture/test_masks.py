"""Masks: the same world is black whatever rotation, flip and size; nothing else changes."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.capture.capture import Capture
from edge.capture.masks import MaskedSource, Masks, masks_in_words, masks_warning
from edge.capture.open import create_source
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import SourceOptions, frame_from_bgr, oriented
from edge.config.schema import SourceConfig
from edge.types import Box
from support.areas import USABLE

LEFT_HALF = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
SIZES = st.tuples(st.integers(24, 90), st.integers(24, 90))


def frame_of(picture, config, *, colour=False):
    return frame_from_bgr(0, 0.0, picture.copy(), SourceOptions(config, colour=colour), lambda: None)


def picture_of(height, width, channels=3):
    """Return a picture without a black pixel."""
    return np.random.default_rng(1).integers(1, 256, (height, width, channels), np.uint8)


@settings(max_examples=50, deadline=None)
@example([[(0.345, 1.0), (0.625, 0.75), (1.0, 0.75), (1.0, 1.0)]], (25, 76), 0, "none")  # along the picture's edge
@given(
    st.lists(USABLE, min_size=1, max_size=2),
    SIZES,
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(["none", "horizontal", "vertical"]),
)
def test_any_polygon_rotation_and_flip_mask_the_same_world(polygons, size, rotate, flip):
    height, width = size
    world = picture_of(height, width)
    plain = Masks(polygons).apply(frame_of(world, SourceConfig(), colour=True))
    config = SourceConfig(rotate=rotate, flip=flip)
    turned = Masks(polygons, config).apply(frame_of(world, config, colour=True))
    options = SourceOptions(config)
    # Pixel for pixel what the camera's picture has, turned.
    assert np.array_equal(turned.luma, oriented(plain.luma, options))
    assert np.array_equal(turned.bgr, oriented(plain.bgr, options))
    assert np.array_equal(turned.hidden, oriented(plain.hidden.view(np.uint8), options).view(bool))
    # Black is exactly what is marked, in grey and in colour.
    assert np.array_equal(plain.hidden, (plain.bgr == 0).all(axis=2))
    assert not plain.luma[plain.hidden].any()
    assert np.array_equal(plain.bgr[~plain.hidden], world[~plain.hidden])
    # Every pixel that a mask touches is black, and none that is two pixels away.
    for row in range(0, height, 3):
        for column in range(0, width, 3):
            distances = [
                cv2.pointPolygonTest(
                    np.array([(x * width, y * height) for x, y in polygon], np.float32),
                    (column + 0.5, row + 0.5),
                    measureDist=True,
                )
                for polygon in polygons
            ]
            if max(distances) > -0.7:
                assert plain.hidden[row, column]
            if max(distances) < -2.5:
                assert not plain.hidden[row, column]


def test_masks_follow_the_size_of_the_picture():
    masks = Masks([LEFT_HALF])
    for height, width in ((48, 64), (96, 128), (48, 64), (90, 60)):
        frame = masks.apply(frame_of(picture_of(height, width), SourceConfig()))
        assert frame.hidden.shape == (height, width)
        assert frame.hidden[:, : width // 2].all()
        assert not frame.hidden[:, width // 2 + 2 :].any()
        assert not frame.luma[frame.hidden].any()
        assert frame.luma[~frame.hidden].all()


def test_colour_that_is_decoded_later_is_masked_as_well():
    grey, colour = picture_of(48, 64)[:, :, 0], picture_of(48, 64)
    plain = frame_from_bgr(0, 0.0, grey, SourceOptions(), lambda: colour)
    frame = Masks([LEFT_HALF]).apply(plain)
    for _ in range(2):
        decoded = frame.in_colour()
        assert not decoded[frame.hidden].any()
        assert decoded[~frame.hidden].all()
    uncoloured = Masks([LEFT_HALF]).apply(frame_from_bgr(0, 0.0, grey.copy(), SourceOptions(), lambda: None))
    assert uncoloured.in_colour() is None


def test_picture_that_cannot_be_written_to_is_copied():
    picture = picture_of(48, 64, 1)[:, :, 0]
    picture.flags.writeable = False
    frame = Masks([LEFT_HALF]).apply(frame_from_bgr(0, 0.0, picture, SourceOptions()))
    assert not frame.luma[frame.hidden].any()
    assert picture.all()


def test_masks_that_leave_nothing_of_the_picture_are_warned_of():
    halves = Masks([LEFT_HALF, [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]])
    frame = halves.apply(frame_of(picture_of(48, 64), SourceConfig()))
    assert masks_warning(frame).startswith("the masks hide all of the picture")
    assert masks_in_words(frame) == "masks hide 100 % of the picture"


def test_without_masks_a_frame_is_handed_on_as_it_is():
    frame = frame_of(picture_of(48, 64), SourceConfig())
    assert Masks().apply(frame) is frame
    assert masks_in_words(frame) is None
    assert not frame.hides(Box(0, 0, 10, 10))


def test_box_is_hidden_where_its_centre_is():
    frame = Masks([LEFT_HALF]).apply(frame_of(picture_of(48, 64), SourceConfig()))
    assert frame.hides(Box(20, 10, 20, 20))
    assert not frame.hides(Box(30, 10, 20, 20))
    # Centres outside the frame count as at its edge.
    assert frame.hides(Box(-40, -40, 20, 20))
    assert not frame.hides(Box(70, 60, 20, 20))
    assert masks_warning(frame) is None
    assert masks_in_words(frame) == "masks hide 53 % of the picture"


@pytest.mark.parametrize("fast", [True, False])
def test_capture_hands_out_masked_frames_and_takes_other_masks_at_once(fast):
    capture = Capture(
        lambda: create_source("scripted:happy=20?seed=1&fps=100", SourceOptions()),
        fast=fast,
        policy=ReconnectPolicy(5.0),
        masks=Masks([LEFT_HALF]),
    )
    capture.start()
    try:
        frame = capture.next(60)
        assert frame.hidden.any()
        assert not frame.luma[:, :320].any()
        # The next frame was captured before the change.
        capture.set_masks([[(1 - x, y) for x, y in LEFT_HALF]])
        frame = capture.next(60)
        assert not frame.luma[:, 320:].any()
        assert frame.luma[:, :318].any()
        capture.set_masks([])
        assert capture.next(60).hidden is None
    finally:
        capture.stop()


def test_masked_source_masks_what_it_reads():
    source = MaskedSource(create_source("scripted:happy=0.1?seed=1", SourceOptions()), Masks([LEFT_HALF]))
    assert (source.uri, source.live) == ("scripted:happy=0.1?seed=1", False)
    source.open()
    assert not source.read().luma[:, :320].any()
    while source.read() is not None:
        pass
    source.close()
