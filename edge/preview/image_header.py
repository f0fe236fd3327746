"""Reads format and size of an encoded picture from its header, so that no picture is decoded that is too large."""

import struct
from dataclasses import dataclass
from typing import Final, Literal

ImageFormat = Literal["JPEG", "PNG", "WebP"]

_JPEG_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length field: TEM and the restarts (ITU T.81, table B.1)."""
_JPEG_FRAME_STARTS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame of every coding process; C4, C8 and CC are tables and an extension (ITU T.81, table B.1)."""
_EOI, _SOS = 0xD9, 0xDA
_FTYP_BRANDS: Final = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and size in pixels, before any rotation by EXIF orientation.

    `complete`: the data contain the end of the picture, so it was not cut off.
    """

    format: ImageFormat
    width: int
    height: int
    complete: bool

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


class NotAnImage(Exception):  # noqa: N818 - a finding about a foreign file
    """The data are not a supported picture; the message names their format, as far as the header shows it."""


def read_image_header(data: bytes) -> ImageHeader:
    """Return format and size of a JPEG, PNG or WebP.

    Raises NotAnImage for any other data, and for a damaged header.
    """
    if not data:
        raise NotAnImage("the file is empty")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp" and data[8:12] in _FTYP_BRANDS:
        raise NotAnImage(f"this is {_FTYP_BRANDS[data[8:12]]}, which is not supported")
    raise NotAnImage("this is not a picture")


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    size: tuple[int, int] | None = None
    while True:
        if data[at : at + 1] != b"\xff":
            raise NotAnImage("the header of this JPEG is damaged")
        while data[at : at + 1] == b"\xff":  # any number of fill bytes may precede a marker
            at += 1
        if at + 3 > len(data):
            raise NotAnImage("this JPEG is cut off in its header")
        marker = data[at]
        at += 1
        if marker in _JPEG_STANDALONE:
            continue
        length = struct.unpack_from(">H", data, at)[0]
        if marker == _SOS and size is not None:
            # In entropy-coded data 0xff is followed by 0x00 unless it begins a marker, so this is the end.
            return ImageHeader("JPEG", *size, complete=data.find(b"\xff\xd9", at + length) >= 0)
        if marker in (_EOI, _SOS) or length < 2:  # noqa: PLR2004 - the length field counts itself
            raise NotAnImage("the header of this JPEG is damaged")
        if marker in _JPEG_FRAME_STARTS:
            if size is not None or at + 7 > len(data):
                raise NotAnImage("the header of this JPEG is damaged")
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = _checked_size("JPEG", width, height)
        at += length


def _png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":  # noqa: PLR2004 - signature and the first chunk
        raise NotAnImage("this PNG is cut off in its header")
    width, height = struct.unpack_from(">II", data, 16)
    return ImageHeader("PNG", *_checked_size("PNG", width, height), complete=b"IEND" in data[-4096:])


def _webp(data: bytes) -> ImageHeader:
    chunk = data[12:16]
    if len(data) < 30:  # noqa: PLR2004 - the longest of the three headers
        raise NotAnImage("this WebP is cut off in its header")
    if chunk == b"VP8X":  # 24-bit sizes less one (RFC 9649, 2.7)
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif chunk == b"VP8L":  # 14 bits each, less one, after a signature byte (RFC 9649, 3.4)
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":  # 14 bits each, after frame tag and start code (RFC 6386, 9.1)
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
    else:
        raise NotAnImage("the header of this WebP is damaged")
    complete = len(data) >= int.from_bytes(data[4:8], "little") + 8
    return ImageHeader("WebP", *_checked_size("WebP", width, height), complete=complete)


def _checked_size(image_format: ImageFormat, width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise NotAnImage(f"this {image_format} is {width} by {height} pixels")
    return width, height
