import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.geometry import Geometry, exif_geometry, picture_geometry, upright, video_geometry
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from support.oriented_pictures import FORMATS, HEIGHT, WIDTH, as_stored, encode, exif, upright_picture
from support.sources import read_first_frame

SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"}
JPEG_ERROR = 40  # grey levels by which JPEG and lossy WebP change a pixel beside an edge


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(orientation):
    stored = as_stored(upright_picture(), orientation)
    assert np.array_equal(upright(stored, exif_geometry(orientation)), upright_picture())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("colour", [False, True])
def test_picture_of_every_format_and_orientation_is_read_upright(tmp_path, kind, orientation, colour):
    for order in "<>":
        path = tmp_path / f"{'little' if order == '<' else 'big'}{SUFFIXES[kind]}"
        path.write_bytes(encode(upright_picture(), orientation, kind, order))
        frame = read_first_frame(str(path), SourceOptions(colour=colour))
        for image in [frame.luma, *([frame.bgr[:, :, 1]] if colour else [])]:
            assert image.shape == (HEIGHT, WIDTH)
            assert np.abs(image.astype(int) - upright_picture()).max() < JPEG_ERROR


def test_rotation_of_the_configuration_comes_after_that_of_the_file(tmp_path):
    path = tmp_path / "side.png"
    path.write_bytes(encode(upright_picture(), 6, "png"))
    frame = read_first_frame(str(path), SourceOptions(SourceConfig(rotate=90, flip="horizontal")))
    assert np.array_equal(frame.luma, np.rot90(upright_picture(), -1)[:, ::-1])


@given(st.sampled_from(["jpeg", "png", "webp", "tiff"]), st.integers(0, 400), st.binary(max_size=8))
def test_damaged_metadata_never_end_in_an_error(kind, at, replacement):
    data = bytearray(encode(upright_picture(), 6, kind))
    data[at : at + len(replacement)] = replacement
    for picture in (bytes(data), bytes(data[:at]), bytes(data) + replacement):
        assert picture_geometry(picture).clockwise_degrees in {0, 90, 180, 270}


@given(st.binary(max_size=60))
def test_any_exif_data_give_a_geometry(data):
    jpeg = b"\xff\xd8\xff\xe1" + (len(data) + 8).to_bytes(2, "big") + b"Exif\0\0" + data
    assert picture_geometry(jpeg).clockwise_degrees in {0, 90, 180, 270}
    assert picture_geometry(b"\xff\xd8" + data).pixel_aspect == 1


def test_orientation_is_found_behind_other_parts_of_a_file():
    jpeg = encode(upright_picture(), 6, "jpeg")
    comment = b"\xff\xfe\x00\x06hoho"
    assert picture_geometry(jpeg[:2] + comment + b"\xff" + jpeg[2:]) == Geometry(clockwise_degrees=90)
    png = encode(upright_picture(), 8, "png")
    assert picture_geometry(png) == Geometry(clockwise_degrees=270)
    assert picture_geometry(b"\xff\xd8\xff\xe1\x00\x03") == Geometry()
    assert exif(6)[:2] == b"II"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((90, 1, 1), Geometry(clockwise_degrees=90)),
        ((270, 0, 0), Geometry(clockwise_degrees=270)),
        ((-90, 0, 1), Geometry(clockwise_degrees=270)),
        ((450, 1, 0), Geometry(clockwise_degrees=90)),
        ((45, 1, 1), Geometry()),
        ((float("nan"), 1, 1), Geometry()),
        ((0, 16, 15), Geometry(pixel_aspect=16 / 15)),
        ((180, 8, 9), Geometry(clockwise_degrees=180, pixel_aspect=8 / 9)),
        ((0, 1, 65535), Geometry()),
        ((0, 100, 101), Geometry()),
        ((0, -16, 15), Geometry()),
    ],
)
def test_numbers_of_a_video_give_a_geometry(numbers, expected):
    assert video_geometry(*numbers) == expected


def test_pixels_become_square_before_the_picture_is_turned():
    stored = cv2.resize(as_stored(upright_picture(), 6), None, fx=0.5, fy=1, interpolation=cv2.INTER_AREA)
    image = upright(stored, Geometry(clockwise_degrees=90, pixel_aspect=2.0))
    assert image.shape == (HEIGHT, WIDTH)
    assert np.abs(image.astype(int) - upright_picture()).mean() < 8


def test_picture_keeps_at_least_one_column():
    assert upright(np.zeros((5, 1), np.uint8), Geometry(pixel_aspect=0.3)).shape == (5, 1)
