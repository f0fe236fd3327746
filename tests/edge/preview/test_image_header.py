"""What is read of a picture before it is decoded."""

import contextlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.preview.image_header import NotAnImage, read_image_header
from support.preview import encoded

RAMP = np.arange(31 * 47, dtype=np.uint8).reshape(31, 47)
KINDS = {
    "JPEG": (".jpg",),
    "progressive JPEG": (".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": (".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "PNG": (".png",),
    "lossy WebP": (".webp", cv2.IMWRITE_WEBP_QUALITY, 50),
    "lossless WebP": (".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
}


@pytest.mark.parametrize("kind", KINDS)
def test_format_and_size(kind):
    data = encoded(RAMP, *KINDS[kind])
    head = read_image_header(data)
    assert (head.kind, head.width, head.height, head.whole) == (
        kind.split()[-1].replace("restarts", "JPEG"),
        47,
        31,
        True,
    )
    assert head.pixels == 31 * 47


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_off_is_known(kind):
    data = encoded(np.random.default_rng(1).integers(0, 255, (120, 160), np.uint8), *KINDS[kind])
    assert not read_image_header(data[: 2 * len(data) // 3]).whole


def test_a_jpeg_may_have_something_behind_its_end():
    assert read_image_header(encoded(RAMP) + b"a film follows").whole


def test_a_thumbnails_end_is_not_the_pictures():
    data = encoded(RAMP)
    thumbnail = encoded(RAMP[:8, :8])
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    head = read_image_header((data[:2] + block + data[2:])[:-2])
    assert (head.width, head.height, head.whole) == (47, 31, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "no picture"),
        (b"GIF89a" + bytes(40), "no picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\xff\xd8\xff\xe0\x00", "cut off"),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(40), "damaged"),
        (b"\xff\xd8\xff\xd9" + bytes(40), "damaged"),
        (b"\xff\xd8\xff" + b"\xff" * 1000, "cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(10), "cut off"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 0, 5) + bytes(20), "0 by 5"),
        (b"RIFF\x40\0\0\0WEBPNOPE" + bytes(40), "damaged"),
        (b"RIFF\x40\0\0\0WEBPVP8X", "cut off"),
    ],
)
def test_what_is_none_is_said(data, why):
    with pytest.raises(NotAnImage, match=why):
        read_image_header(data)


@given(st.binary(max_size=300), st.sampled_from(sorted(KINDS)), st.integers(0, 400))
def test_any_bytes_are_a_head_or_no_picture(noise, kind, at):
    data = encoded(RAMP, *KINDS[kind])
    for spoiled in (noise, data[:at] + noise, data[:at] + noise + data[at:], data[:at]):
        with contextlib.suppress(NotAnImage):
            head = read_image_header(spoiled)
            assert head.width > 0
            assert head.height > 0
