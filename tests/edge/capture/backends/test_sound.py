"""Sound files are no videos, with a cover or without one."""

import struct

import cv2
import pytest

from edge.capture.backends.sound import is_sound
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.errors import SourceError
from support.odd_pictures import RAMP

SILENCE = b"\xff\xfb\x90\x00" + bytes(413)
"""A frame of MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes."""


def mp3_with_cover():
    """Return an MP3 of a second of silence with a JPEG as its cover (ID3v2.3, APIC)."""
    cover = cv2.imencode(".jpg", RAMP)[1].tobytes()
    frame = b"\0image/jpeg\0\x03\0" + cover
    content = b"APIC" + struct.pack(">IH", len(frame), 0) + frame
    length = bytes((len(content) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + content + SILENCE * 40


def test_mp3_with_a_cover_is_no_video(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(mp3_with_cover())
    assert cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).read()[0], "FFmpeg shows no cover: this proves nothing"
    with pytest.raises(SourceError, match=r"song\.mp3 is a sound file, not a video"):
        create_source(str(path), SourceOptions()).open()


def test_cover_behind_a_container_that_says_nothing_is_no_video(tmp_path):
    """FFmpeg looks for MP3 behind any beginning, here behind frames of an older kind of tag."""
    path = tmp_path / "song.bin"
    path.write_bytes(bytes(64) + mp3_with_cover())
    with pytest.raises(SourceError, match=r"song\.bin is"):
        create_source(str(path), SourceOptions()).open()


@pytest.mark.parametrize(
    "beginning",
    [
        b"ID3\x04" + bytes(20),
        SILENCE,
        b"\xff\xf1\x50\x80" + bytes(20),
        b"fLaC\0\0\0\x22",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"FORM\0\0\1\0AIFFCOMM",
        b"OggS" + bytes(24) + b"\x01vorbis",
        b"OggS" + bytes(24) + b"OpusHead",
        b"\0\0\0\x1cftypM4A \0\0\2\0",
    ],
)
def test_sound_is_known_by_its_first_bytes(beginning):
    assert is_sound(beginning)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\xff",
        b"\xff\xd8\xff\xe0",  # frames of Motion JPEG
        b"RIFF\x24\0\0\0AVI LIST",
        b"OggS" + bytes(24) + b"\x80theora" + bytes(40) + b"\x01vorbis",
        b"\0\0\0\x1cftypisom",
        b"\x1aE\xdf\xa3",
        b"\0\0\1\xba",
        b"G@\x11\x10",
    ],
)
def test_what_may_hold_a_video_is_not_taken_for_sound(beginning):
    assert not is_sound(beginning)
