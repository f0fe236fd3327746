import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.backends.packets import PacketReader, PacketStream, size_signature
from edge.capture.backends.video import VideoFileSource
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from support.shaped_videos import ramp, write_frames, write_shaped_mp4

SPS_640 = bytes.fromhex("6764001eacd940a02ff9610000030001000003003c8f162d96")
SPS_320 = bytes.fromhex("67640015acd94141fb0110000003001000000303c8f16299")


def joined(tmp_path, suffix, codec, sizes, frames=8):
    parts = []
    for width, height in sizes:
        pictures = [ramp(number, width, height) for number in range(frames)]
        parts.append(write_frames(tmp_path / f"{width}{suffix}", pictures, codec).read_bytes())
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(parts))
    return path


def frames_of(path, **config):
    source = VideoFileSource(str(path), SourceOptions(SourceConfig(**config)))
    source.open()
    frames = list(iter(source.read, None))
    source.close()
    return frames


@pytest.mark.parametrize(("suffix", "codec"), [(".mjpeg", "MJPG"), (".ts", "mp4v")])
@pytest.mark.parametrize(
    "sizes", [[(128, 96), (64, 48)], [(64, 48), (128, 96)], [(64, 48), (128, 96), (64, 48)], [(128, 96), (64, 96)]]
)
def test_frames_behind_a_change_of_size_are_whole(tmp_path, suffix, codec, sizes):
    frames = frames_of(joined(tmp_path, suffix, codec, sizes))
    assert [frame.luma.shape[::-1] for frame in frames] == [size for size in sizes for _ in range(8)]
    for at, frame in enumerate(frames):
        assert np.abs(frame.luma.astype(int) - ramp(at % 8, *frame.luma.shape[::-1])).mean() < 6
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert all(0 < later.seconds - earlier.seconds < 0.25 for earlier, later in itertools.pairwise(frames))


def test_file_of_one_size_joined_of_two_goes_on(tmp_path):
    frames = frames_of(joined(tmp_path, ".ts", "mp4v", [(64, 48), (64, 48)]))
    assert len(frames) == 16
    assert {frame.luma.shape for frame in frames} == {(48, 64)}


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_video_is_read_upright(tmp_path, degrees):
    upright = [ramp(number, 96, 64) for number in range(4)]
    stored = [np.rot90(picture, degrees // 90).copy() for picture in upright]
    frames = frames_of(write_shaped_mp4(tmp_path / "phone.mp4", stored, clockwise_degrees=degrees))
    assert len(frames) == 4
    for frame, picture in zip(frames, upright, strict=True):
        assert frame.luma.shape == picture.shape
        assert np.abs(frame.luma.astype(int) - picture).mean() < 6


def test_pixels_become_square_before_file_and_configuration_turn_the_picture(tmp_path):
    stored = [ramp(number, 90, 96) for number in range(3)]
    path = write_shaped_mp4(tmp_path / "dvd.mp4", stored, clockwise_degrees=90, pixel_aspect=(64, 45))
    assert {frame.luma.shape for frame in frames_of(path)} == {(128, 96)}
    turned = frames_of(path, rotate=90, flip="vertical")[0].luma
    plain = frames_of(path)[0].luma
    assert np.array_equal(turned, np.rot90(plain, -1)[::-1])


@pytest.mark.parametrize(
    ("codec", "first", "second"),
    [
        ("H264", b"\0\0\0\1\x09\xf0\0\0\0\1" + SPS_640 + b"\0\0\1\x65", b"\0\0\0\1" + SPS_320 + b"\0\0\1\x65"),
        ("HEVC", b"\0\0\0\1\x42\1\1\x60\0\0\1\x26", b"\0\0\0\1\x42\1\1\x61\0\0\1\x26"),
        ("FMP4", b"\0\0\1\xb0\1\0\0\1\x20\0\x84\0\0\1\xb6", b"\0\0\1\x20\0\x85\0\0\1\xb6"),
        ("mpg2", b"\0\0\1\xb3\x14\0\xf0\x12", b"\0\0\1\xb3\x0a\0\x78\x12"),
        ("VP80", b"\x10\0\0\x9d\x01\x2a\x40\1\xf0\0", b"\x10\0\0\x9d\x01\x2a\xa0\0\x78\0"),
        ("VP90", b"\x82\x49\x83\x42\0\x13\xf0\x0e\xf1\0", b"\x82\x49\x83\x42\0\x09\xf0\x07\x71\0"),
    ],
)
def test_header_with_the_size_is_found_and_differs_between_sizes(codec, first, second):
    assert size_signature(codec, first)
    assert size_signature(codec, first) == size_signature(codec, first)
    assert size_signature(codec, first) != size_signature(codec, second) != b""
    assert size_signature(codec, b"\0\0\1\x41plain") == b""
    assert size_signature(codec, b"") == b""


def test_size_of_a_jpeg_is_that_of_its_frame_not_of_a_thumbnail():
    large = cv2.imencode(".jpg", ramp(1, 64, 48))[1].tobytes()
    small = cv2.imencode(".jpg", ramp(1, 16, 16))[1].tobytes()
    thumbnail = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    assert size_signature("MJPG", large) == size_signature("MJPG", large[:2] + thumbnail + large[2:])
    assert size_signature("MJPG", large) != size_signature("MJPG", small)


@given(st.sampled_from(["H264", "HEVC", "FMP4", "MJPG", "mpg1", "mpg2", "VP80", "VP90"]), st.binary(max_size=40))
def test_any_packet_has_a_signature(codec, packet):
    assert isinstance(size_signature(codec, packet), bytes)
    assert isinstance(size_signature(codec, b"\xff\xd8\0\0\1" + packet), bytes)


def test_packets_come_up_to_the_change_then_after_it(tmp_path):
    packets = PacketReader(joined(tmp_path, ".mjpeg", "MJPG", [(128, 96), (64, 48)]))
    assert sum(1 for _ in iter(packets.advance, None)) == 8
    assert packets.changed
    assert packets.advance() is None
    packets.accept()
    stream = PacketStream(packets)
    assert stream.read(4) == b"DKIF"
    assert stream.seek(0) == -1
    rest = stream.read()
    assert rest.count(b"\xff\xd8\xff") == 8
    assert stream.read(10) == b""
    packets.close()
