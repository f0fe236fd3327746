"""Tests of the smallest face that a search can find, and of the sentence where smaller ones are asked for."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import DetectorConfig
from edge.vision.detection.smallest_face import prompt_face_px, search_limit, smallest_face_px

WINDOW = 24


@pytest.mark.parametrize(
    ("config", "shape", "sentence"),
    [
        (
            DetectorConfig(min_face=0.05),
            (480, 640),
            "detector.min_face = 0.05 asks for faces of 24 pixels in frames of 640x480, but the search finds none "
            "below 32 pixels, because it reduces them to detector.search_width_px = 480: set detector.search_width_px "
            "to 640 for faces of 24 pixels, or set detector.min_face to 0.067",
        ),
        (
            DetectorConfig(search_width_px=240),
            (480, 640),
            "detector.min_face = 0.1 asks for faces of 48 pixels in frames of 640x480, but the search finds none below "
            "64 pixels, because it reduces them to detector.search_width_px = 240: set detector.search_width_px to 320 "
            "for faces of 48 pixels, or set detector.min_face to 0.134",
        ),
        (
            DetectorConfig(min_face=0.05),
            (240, 320),
            "detector.min_face = 0.05 asks for faces of 12 pixels in frames of 320x240, but the search finds none "
            "below 24 pixels, the window of the cascade: set detector.min_face to 0.1, or use larger frames",
        ),
        (
            DetectorConfig(min_face=0.02),
            (480, 640),
            "detector.min_face = 0.02 asks for faces of 10 pixels in frames of 640x480, but the search finds none "
            "below 32 pixels, because it reduces them to detector.search_width_px = 480: set detector.search_width_px "
            "to 640 and detector.min_face to 0.05 for faces of 24 pixels, or set detector.min_face to 0.067",
        ),
        (
            DetectorConfig(min_face=0.5),
            (16, 16),
            "detector.min_face = 0.5 asks for faces of 8 pixels in frames of 16x16, but the search finds none below 24 "
            "pixels, the window of the cascade: use larger frames",
        ),
        (
            DetectorConfig(),
            (480, 4096),
            "detector.min_face = 0.1 asks for faces of 48 pixels in frames of 4096x480, but the search finds none "
            "below 205 pixels, because it reduces them to detector.search_width_px = 480: set detector.search_width_px "
            "to 2048 for faces of 48 pixels, or set detector.min_face to 0.427",
        ),
    ],
)
def test_sentence_names_both_sizes_and_what_would_be_right(config, shape, sentence):
    assert search_limit(config, shape, WINDOW) == sentence


def test_nothing_is_said_of_faces_of_24_pixels_that_can_be_found():
    vga = DetectorConfig(min_face=0.05, search_width_px=640)
    assert smallest_face_px(vga, (480, 640), WINDOW) == 24
    assert search_limit(vga, (480, 640), WINDOW) is None
    hd = DetectorConfig(min_face=0.0333, search_width_px=1280)
    assert smallest_face_px(hd, (720, 1280), WINDOW) == 24
    assert search_limit(hd, (720, 1280), WINDOW) is None


def test_nothing_is_said_of_the_default_configuration():
    assert search_limit(DetectorConfig(), (120, 160), WINDOW) is None


@given(
    st.floats(0.02, 1).map(lambda share: round(share, 3)),
    st.integers(120, 4096),
    st.integers(64, 3000),
    st.integers(64, 3000),
)
def test_what_the_sentence_advises_ends_it(min_face, search_width_px, width, height):
    config = DetectorConfig(min_face=min_face, search_width_px=search_width_px)
    assert (
        prompt_face_px(config, (height, width), WINDOW) >= smallest_face_px(config, (height, width), WINDOW) >= WINDOW
    )
    sentence = search_limit(config, (height, width), WINDOW)
    if sentence is None:
        return
    larger = re.search(r"set detector.min_face to ([\d.]+)", sentence)
    wider = re.search(
        r"set detector.search_width_px to (\d+)(?: and detector.min_face to ([\d.]+))? for faces of (\d+) pixels",
        sentence,
    )
    assert larger or wider or sentence.endswith("use larger frames")
    if larger is not None:
        advised = msgspec.structs.replace(config, min_face=float(larger[1]))
        assert search_limit(advised, (height, width), WINDOW) is None
        assert smallest_face_px(advised, (height, width), WINDOW) == pytest.approx(
            smallest_face_px(config, (height, width), WINDOW), abs=0.0011 * min(height, width)
        )
    if wider is not None:
        advised = msgspec.structs.replace(
            config, search_width_px=int(wider[1]), min_face=float(wider[2]) if wider[2] else config.min_face
        )
        assert search_limit(advised, (height, width), WINDOW) is None
        size = smallest_face_px(advised, (height, width), WINDOW)
        assert size == pytest.approx(int(wider[3]), abs=0.51 + 0.001 * min(height, width))
