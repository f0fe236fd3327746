import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.web.jpeg_stream import JpegSplitter
from support.oriented_pictures import encode, upright_picture
from support.sources import numbered_picture

NOISE = np.random.default_rng(3).integers(0, 256, (40, 60), np.uint8)
PLAIN = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in (numbered_picture(1), NOISE, np.zeros((8, 8)))]
PROGRESSIVE = cv2.imencode(".jpg", NOISE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[
    1
].tobytes()
THUMBNAIL = PLAIN[0][:2] + b"\xff\xe1" + (len(PLAIN[2]) + 2).to_bytes(2, "big") + PLAIN[2] + b"\xff" + PLAIN[0][2:]
PICTURES = [*PLAIN, PROGRESSIVE, THUMBNAIL, encode(upright_picture(), 6, "jpeg")]

between = st.one_of(
    st.sampled_from([b"", b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"--\xff\xff", b"\xff\xd8", b"\0" * 9]),
    st.binary(max_size=20).filter(lambda noise: b"\xff" not in noise),
)


def split(data, pieces):
    splitter, found, at = JpegSplitter(), [], 0
    for size in pieces:
        found += splitter.push(data[at : at + size])
        at += size
    return found + splitter.push(data[at:])


@given(st.lists(st.tuples(between, st.sampled_from(PICTURES)), max_size=5), st.lists(st.integers(1, 900), max_size=30))
def test_every_picture_is_found_whatever_stands_between_and_however_it_arrives(parts, pieces):
    data = b"".join(noise + picture for noise, picture in parts)
    assert split(data, pieces) == [picture for _, picture in parts]


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_byte_by_byte(picture):
    assert split(picture + picture, [1] * (2 * len(picture))) == [picture, picture]


@settings(deadline=None)
@given(st.sampled_from(PLAIN[:2]), st.integers(3, 600), st.sampled_from(PICTURES))
def test_picture_that_is_broken_off_costs_at_most_what_a_segment_can_hold(first, length, second):
    following = second * (66_000 // len(second) + 3)
    data = first[: min(length, len(first) - 2)] + following
    found = split(data, [])
    assert found[-1] == second
    # Broken off within its first segment, it may take the beginning of the next one for the rest of that segment.
    assert sum(one != second for one in found) <= 1


def test_picture_that_is_broken_off_in_its_data_costs_only_itself():
    assert split(PLAIN[1][:-40] + PLAIN[0] + PLAIN[2], []) == [PLAIN[0], PLAIN[2]]


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=10))
def test_any_bytes_are_taken(data, pieces):
    for picture in split(b"\xff\xd8\xff" + data, pieces):
        assert picture.startswith(b"\xff\xd8\xff")
        assert picture.endswith(b"\xff\xd9")
