import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from edge.capture.backends.v4l2 import V4l2Source, extract_bgr, extract_luma, fourcc_name
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceLostError
from support.sources import HEIGHT, WIDTH, FakeV4l2Driver, numbered_picture

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda halves: (2 * halves[0], 2 * halves[1]))
LUMAS = SIZES.flatmap(lambda size: st_numpy.arrays(np.uint8, size))


def packed(fourcc, luma, other=0x80):
    """Put luma into a buffer of the format, among bytes that must not be taken for luma."""
    filler = np.full_like(luma, other)
    if fourcc in {"YUYV", "YVYU"}:
        return np.dstack([luma, filler])
    if fourcc in {"UYVY", "VYUY"}:
        return np.dstack([filler, luma])
    if fourcc == "GREY":
        return luma
    return np.vstack([luma, filler[: luma.shape[0] // 2]])


@pytest.mark.parametrize("fourcc", ["YUYV", "YVYU", "UYVY", "VYUY", "GREY", "NV12", "NV21", "YU12", "YV12"])
@given(luma=LUMAS, tail=st.binary(max_size=8), flat=st.booleans())
def test_luma_is_extracted_unchanged_from_each_format(fourcc, luma, tail, flat):
    raw = packed(fourcc, luma)
    if flat or tail:
        raw = np.concatenate([raw.reshape(-1), np.frombuffer(tail, np.uint8)])
    height, width = luma.shape
    result = extract_luma(fourcc, raw, width, height)
    assert np.array_equal(result, luma)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, raw)


@pytest.mark.parametrize("fourcc", ["YUYV", "UYVY", "GREY", "NV12", "YU12", "MJPG"])
@given(st.data())
def test_truncated_buffer_gives_no_frame(fourcc, data):
    luma = np.arange(96, dtype=np.uint8).reshape(8, 12)
    needed = 96 * (2 if fourcc in {"YUYV", "UYVY"} else 1)
    raw = np.zeros(data.draw(st.integers(0, needed - 1)), np.uint8)
    assert extract_luma(fourcc, raw, luma.shape[1], luma.shape[0]) is None


def test_jpeg_is_decoded_to_grey():
    picture = numbered_picture(5)
    raw = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[1].reshape(1, -1)
    luma = extract_luma("MJPG", raw, WIDTH, HEIGHT)
    assert np.abs(luma.astype(int) - picture).mean() < 3
    # Drivers return the whole buffer; the image fills only its beginning.
    padded = np.concatenate([raw.reshape(-1), np.zeros(1000, np.uint8)])
    assert np.array_equal(extract_luma("MJPG", padded, WIDTH, HEIGHT), luma)
    assert extract_luma("MJPG", raw, WIDTH * 2, HEIGHT) is None


@pytest.mark.parametrize("fourcc", ["YUYV", "YVYU", "UYVY", "NV12", "NV21", "YU12", "YV12", "MJPG"])
def test_colour_is_converted_from_each_format_that_has_it(fourcc):
    red = np.full((8, 12, 3), (0, 0, 254), np.uint8)  # BGR
    luma, u, v = 81, 90, 240
    flat = np.full(96, luma, np.uint8)
    if fourcc == "MJPG":
        raw = cv2.imencode(".jpg", red)[1]
    elif fourcc[:2] in {"YU", "YV"} and fourcc[2] == "1":
        raw = np.concatenate([flat, *(np.full(24, one, np.uint8) for one in ((u, v) if fourcc == "YU12" else (v, u)))])
    elif fourcc.startswith("NV"):
        raw = np.concatenate([flat, np.tile(np.uint8((u, v) if fourcc == "NV12" else (v, u)), 24)])
    else:
        pixels = {"YUYV": (luma, u, luma, v), "YVYU": (luma, v, luma, u), "UYVY": (u, luma, v, luma)}[fourcc]
        raw = np.tile(np.uint8(pixels), 48)
    bgr = extract_bgr(fourcc, raw, 12, 8)
    assert np.abs(bgr.astype(int) - red).max() <= 6
    if fourcc != "MJPG":
        assert extract_bgr(fourcc, raw[:-1], 12, 8) is None


@pytest.mark.parametrize("fourcc", ["GREY", "VYUY"])
def test_format_without_colour_that_opencv_converts_has_none(fourcc):
    assert extract_bgr(fourcc, np.zeros(400, np.uint8), 12, 8) is None


def test_unsupported_format_is_a_programming_error():
    with pytest.raises(ValueError, match="H264"):
        extract_luma("H264", np.zeros(100, np.uint8), 2, 2)


def test_fourcc_code_is_converted_to_its_name():
    assert fourcc_name(float(cv2.VideoWriter.fourcc(*"YUYV"))) == "YUYV"
    assert fourcc_name(-1) == "\xff\xff\xff\xff"


def opened(driver, *, colour=False, **config):
    """Open a source on a device of this driver; another character device stands for /dev/video0."""
    options = SourceOptions(SourceConfig(**{"width": WIDTH, "height": HEIGHT, **config}), colour)
    source = V4l2Source("0", os.devnull, options, driver.open)
    source.open()
    return source


@pytest.mark.parametrize(
    ("formats", "options", "chosen", "raw"),
    [
        (("MJPG", "YUYV"), {}, "YUYV", True),
        (("MJPG", "YUYV", "GREY"), {}, "GREY", True),
        (("MJPG",), {}, "MJPG", True),
        (("YUYV", "MJPG"), {"width": 1280, "height": 720}, "MJPG", True),
        (("YUYV",), {"width": 1280, "height": 720}, "YUYV", True),
        (("YUYV",), {"colour": True}, "YUYV", False),
        (("UYVY",), {}, "UYVY", True),
        ((), {}, "RGB3", False),
        (("H264",), {}, "H264", False),
    ],
)
def test_format_with_the_cheapest_luma_is_chosen(formats, options, chosen, raw):
    driver = FakeV4l2Driver(formats)
    opened(driver, fps=15, **options)
    capture = driver.capture
    assert capture.fourcc == chosen
    assert capture.backend == cv2.CAP_V4L2
    assert capture.properties[cv2.CAP_PROP_CONVERT_RGB] == (0 if raw else 1)
    assert capture.properties[cv2.CAP_PROP_FPS] == 15


@pytest.mark.parametrize("formats", [("YUYV",), ("MJPG",), ()])
def test_frames_are_numbered_and_show_the_cameras_image(formats):
    source = opened(FakeV4l2Driver(formats))
    for number in range(3):
        frame = source.read()
        assert frame.number == number
        assert np.abs(frame.luma.astype(int) - numbered_picture(number)).mean() < 3


def test_broken_frames_are_skipped():
    broken = [np.zeros((1, 100), np.uint8), np.zeros((1, 0), np.uint8)]
    source = opened(FakeV4l2Driver(("MJPG",), broken_buffers=broken))
    frame = source.read()
    assert frame.number == 0
    assert np.abs(frame.luma.astype(int) - numbered_picture(0)).mean() < 3


def test_camera_with_only_broken_frames_is_lost():
    source = opened(FakeV4l2Driver(("MJPG",), broken_buffers=itertools.repeat(np.zeros((1, 100), np.uint8))))
    with pytest.raises(SourceLostError, match="broken frames"):
        source.read()


def test_unplugged_camera_is_lost():
    driver = FakeV4l2Driver(("YUYV",))
    source = opened(driver)
    assert source.read() is not None
    driver.capture.gone = True
    with pytest.raises(SourceLostError, match="gives no frame any more"):
        source.read()


def test_camera_in_use_is_refused():
    with pytest.raises(SourceError, match=r'no other program uses.*group "video"'):
        opened(FakeV4l2Driver(("YUYV",), opens=False))


def test_device_is_found_at_the_opening_and_a_name_without_a_camera_is_refused_there():
    driver = FakeV4l2Driver(("YUYV",))
    places = iter([os.devnull])

    def find():
        for place in places:
            return Path(place)
        raise SourceError("There is no camera v4l2:NAME")

    options = SourceOptions(SourceConfig(width=WIDTH, height=HEIGHT))
    source = V4l2Source("v4l2:NAME", find, options, driver.open)
    assert source.uri == "v4l2:NAME"
    source.open()
    assert source.read() is not None
    source.close()
    with pytest.raises(SourceError, match="no camera v4l2:NAME"):
        V4l2Source("v4l2:NAME", find, options, driver.open).open()


def test_device_that_is_no_camera_is_refused_with_the_reason():
    driver = FakeV4l2Driver(("YUYV",), opens=False)
    source = V4l2Source("0", os.devnull, SourceOptions(), driver.open, lambda device: f"is no camera but {device.name}")
    with pytest.raises(SourceError, match=r"^The camera /dev/null cannot be opened: it is no camera but null$"):
        source.open()
