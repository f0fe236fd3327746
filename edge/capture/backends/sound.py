"""Recognises sound files, of which FFmpeg plays the cover as a video of one picture."""

from pathlib import Path
from typing import Final

import cv2

_SOUND_MAGIC: Final = (
    b"ID3",  # MP3, and sometimes AAC
    b"fLaC",
    b"MThd",
    b"wvpk",
    b"MAC ",
    b"TTA1",
    b"DSD ",
    b"#!AMR",
    b"\x0b\x77",  # AC-3
)
"""First bytes of formats that hold nothing but sound."""
_CHUNKED: Final = {b"RIFF": (b"WAVE",), b"RF64": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_SOUND_BRANDS: Final = (b"M4A ", b"M4B ", b"F4A ", b"F4B ")
_OGG_VIDEO: Final = (b"\x80theora", b"BBCD", b"OVP80", b"\x01video")
_OGG_SOUND: Final = (b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC")
_LAYER_MASK, _MPEG_LAYER_3_OR_2 = 0xE6, (0xE2, 0xE4)
"""Sync, version and layer of an MPEG audio frame, in its second byte (ISO/IEC 11172-3, 2.4.1.3)."""
_ADTS_MASK, _ADTS = 0xF6, 0xF0
"""Sync and layer of an AAC frame with its header (ISO/IEC 13818-7, 6.2)."""

COVER_FPS: Final = 1000.0
"""Rate from which a video of one picture is a cover: FFmpeg states its clock as the rate of a cover, 90,000 in MP3,
MP4, FLAC and Matroska, 1,000 in WMA (measured with OpenCV 4.11)."""


def is_sound(beginning: bytes) -> bool:
    """Return whether a file that begins like this holds nothing but sound. `beginning`: 4096 bytes or more."""
    if beginning.startswith(_SOUND_MAGIC):
        return True
    if beginning[8:12] in _CHUNKED.get(beginning[:4], ()):
        return True
    if beginning[4:8] == b"ftyp":
        return beginning[8:12] in _SOUND_BRANDS
    if beginning[:4] == b"OggS":
        return any(name in beginning for name in _OGG_SOUND) and not any(name in beginning for name in _OGG_VIDEO)
    if beginning[:1] != b"\xff" or len(beginning) == 1:
        return False
    second = beginning[1]
    return second & _LAYER_MASK in _MPEG_LAYER_3_OR_2 or second & _ADTS_MASK == _ADTS


def holds_one_picture(path: Path) -> bool:
    """Return whether FFmpeg finds exactly one picture in a file."""
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        return capture.grab() and not capture.grab()
    finally:
        capture.release()
