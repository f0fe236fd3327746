"""Finds where the picture size of a video file changes, and decodes what comes after it.

OpenCV keeps the size that a stream had at its beginning: pictures that become smaller are drawn into the corner of the
last large one, and larger ones are not drawn at all. So a second reader, which decodes nothing, looks into the packets
ahead of the decoder. From the first packet of another size on, packets are repacked as IVF, a trivial container, and
given to a new decoder, which finds their size as it finds that of any file.
"""

import heapq
import io
import math
import re
import struct
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.capture.pictures.header import JPEG_FRAME_STARTS

_CODECS: Final = {
    "H264": "H264",
    "AVC1": "H264",
    "AVC3": "H264",
    "HEVC": "HEVC",
    "HVC1": "HEVC",
    "HEV1": "HEVC",
    "FMP4": "FMP4",
    "MP4V": "FMP4",
    "XVID": "FMP4",
    "DIVX": "FMP4",
    "DX50": "FMP4",
    "MJPG": "MJPG",
    "MPG1": "mpg1",
    "MPG2": "mpg2",
    "VP80": "VP80",
    "VP90": "VP90",
}
"""Name of each codec in IVF by the names that containers give it: those whose headers `size_signature` knows."""
_START_CODE: Final = re.compile(rb"\x00\x00\x01")
_HEADER_BYTES: Final = (
    4096  # parameter sets and sequence headers stand at the beginning of a packet, in front of slices
)
_H264_SPS: Final = 7  # ITU-T H.264, table 7-1
_HEVC_SPS: Final = 33  # ITU-T H.265, table 7-1
_MPEG4_LAYERS: Final = range(0x20, 0x30)  # video_object_layer_start_code, ISO 14496-2, table 6-3
_MPEG2_SEQUENCE: Final = 0xB3  # ISO 13818-2, table 6-1
_VP8_START: Final = b"\x9d\x01\x2a"
_VP9_SYNC: Final = b"\x49\x83\x42"

_TICKS_PER_SECOND: Final = 1_000_000
_FALLBACK_STEP_SECONDS: Final = 0.04


def size_signature(codec: str, packet: bytes) -> bytes:
    """Return the part of a packet that holds the picture size; empty where it has none.

    It may hold more than the size: a new decoder for pictures of the same size does no harm.
    """
    if codec == "MJPG":
        return _jpeg_size(packet)
    head = packet[:_HEADER_BYTES]
    if codec == "VP80":  # sizes follow the start code of a key frame (RFC 6386, 9.1)
        return head[6:10] if head[3:6] == _VP8_START else b""
    if codec == "VP90":
        # Behind the sync code of a key frame: colour, 4 bits, then width and height less one, 16 bits each.
        return head[4:8] + bytes([head[8] & 0xF0]) if head[1:4] == _VP9_SYNC and len(head) > 8 else b""  # noqa: PLR2004
    starts = [found.end() for found in _START_CODE.finditer(head)]
    units = [head[begin : end - 3] for begin, end in pairwise([*starts, len(head) + 3])]
    wanted = [unit for unit in units if unit and _holds_size(codec, unit[0])]
    return b"".join(unit[:4] if codec.startswith("mpg") else unit for unit in wanted).rstrip(b"\0")


def _holds_size(codec: str, code: int) -> bool:
    match codec:
        case "H264":
            return code & 0x1F == _H264_SPS
        case "HEVC":
            return code >> 1 & 0x3F == _HEVC_SPS
        case "FMP4":
            return code in _MPEG4_LAYERS
    return code == _MPEG2_SEQUENCE


def _jpeg_size(packet: bytes) -> bytes:
    at = 2
    while at + 9 <= len(packet) and packet[at] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        marker = packet[at + 1]
        if marker in JPEG_FRAME_STARTS:
            return packet[at + 5 : at + 9]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(packet[at + 2 : at + 4], "big")  # noqa: PLR2004 - fill byte
    return b""


class PacketReader:
    """Reads the packets of a file's video one after the other, without decoding them.

    `codec`: name of the codec; None where its headers are not known, so that no change can be found.
    """

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        self.codec = _CODECS.get(code.to_bytes(4, "little").decode("latin-1").upper())
        if not self._capture.set(cv2.CAP_PROP_FORMAT, -1):
            self.codec = None
        self._signature = b""
        self._held: tuple[bytes, float] | None = None
        self.changed = False
        self.count = 0

    def advance(self) -> tuple[bytes, float] | None:
        """Take the next packet, with its time stamp in seconds (nan: none). None at the end, or before a change.

        Before a packet of another size `changed` is set, until `accept`.
        """
        if self.changed:
            return None
        if self._held is not None:
            held, self._held = self._held, None
            self.count += 1
            return held
        read, packet = self._capture.read()
        if not read or packet is None:
            return None
        data = np.asarray(packet, np.uint8).tobytes()
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        seconds = milliseconds / 1000 if abs(milliseconds) < 1e15 else math.nan  # noqa: PLR2004 - beyond: no stamp
        if self.codec is not None and self._capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
            signature = size_signature(self.codec, data)
            if signature and self._signature and signature != self._signature:
                self._held = data, seconds
                self._signature = signature
                self.changed = True
                return None
            self._signature = signature or self._signature
        self.count += 1
        return data, seconds

    def accept(self) -> None:
        """Go on with the packets of the new size."""
        self.changed = False

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class PacketStream(io.BufferedIOBase):
    """The packets of a reader up to the next change of size, as a file for OpenCV to read.

    It is an IVF file, whose time stamps count from `base_seconds`. IVF has no name for HEVC: that is written bare, and
    `stamp_seconds` gives the time stamps instead.
    """

    def __init__(self, packets: PacketReader) -> None:
        self._packets = packets
        self._bare = packets.codec == "HEVC"
        self._base_seconds: float | None = None
        self._ticks = 0
        self._stamps: list[float] = []
        codec = (packets.codec or "").encode()
        head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, codec, 0, 0, _TICKS_PER_SECOND, 1, 0, 0)
        self._buffer = bytearray(b"" if self._bare else head)

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        wanted = math.inf if size is None or size < 0 else size
        while len(self._buffer) < wanted and (taken := self._packets.advance()) is not None:
            packet, seconds = taken
            ticks = self._stamp(seconds)
            if self._bare:
                heapq.heappush(self._stamps, ticks / _TICKS_PER_SECOND)
            else:
                self._buffer += struct.pack("<IQ", len(packet), ticks)
            self._buffer += packet
        length = len(self._buffer) if wanted == math.inf else int(wanted)
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """Refuse: packets come once."""
        return -1

    def stamp_seconds(self, decoded_seconds: float) -> float:
        """Return the time stamp of the next frame in the file, from that which the decoder gives for it.

        Frames come in the order of their times, so the next one of a bare stream has the smallest stamp that is left.
        """
        if self._bare:
            decoded_seconds = heapq.heappop(self._stamps) if self._stamps else math.nan
        return decoded_seconds + (self._base_seconds or 0.0)

    def _stamp(self, seconds: float) -> int:
        if math.isnan(seconds):
            self._ticks += round(_FALLBACK_STEP_SECONDS * _TICKS_PER_SECOND)
        else:
            if self._base_seconds is None:
                self._base_seconds = seconds
            self._ticks = max(0, round((seconds - self._base_seconds) * _TICKS_PER_SECOND))
        return self._ticks
