"""Format, size and completeness of a picture, read from its header."""

import contextlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.pictures.header import NotAnImage, read_image_header
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
def test_format_and_size_are_read(kind):
    data = encoded(RAMP, *KINDS[kind])
    header = read_image_header(data)
    assert (header.format, header.width, header.height, header.complete) == (
        kind.split()[-1].replace("restarts", "JPEG"),
        47,
        31,
        True,
    )
    assert header.pixels == 31 * 47


@pytest.mark.parametrize("kind", KINDS)
def test_picture_that_is_cut_off_is_incomplete(kind):
    data = encoded(np.random.default_rng(1).integers(0, 255, (120, 160), np.uint8), *KINDS[kind])
    assert not read_image_header(data[: 2 * len(data) // 3]).complete


def test_data_after_the_end_of_a_jpeg_are_ignored():
    assert read_image_header(encoded(RAMP) + b"a film follows").complete


def test_end_of_an_embedded_thumbnail_is_not_the_end_of_the_picture():
    data = encoded(RAMP)
    thumbnail = encoded(RAMP[:8, :8])
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    header = read_image_header((data[:2] + block + data[2:])[:-2])
    assert (header.width, header.height, header.complete) == (47, 31, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"GIF89a" + bytes(40), "GIF"),
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
def test_unsupported_or_damaged_data_are_refused_with_a_reason(data, why):
    with pytest.raises(NotAnImage, match=why):
        read_image_header(data)


@given(st.binary(max_size=300), st.sampled_from(sorted(KINDS)), st.integers(0, 400))
def test_any_bytes_have_a_header_or_are_refused(noise, kind, at):
    data = encoded(RAMP, *KINDS[kind])
    for damaged in (noise, data[:at] + noise, data[:at] + noise + data[at:], data[:at]):
        with contextlib.suppress(NotAnImage):
            header = read_image_header(damaged)
            assert header.width > 0
            assert header.height > 0
