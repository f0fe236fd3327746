"""What a picture's first bytes say of it, so that nothing is decoded that would be too large."""

import struct
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["JPEG", "PNG", "WebP"]

_JPEG_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM and the restarts (ITU T.81, table B.1)."""
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, of any process; C4, C8 and CC are tables and an extension (ITU T.81, table B.1)."""
_EOI, _SOS = 0xD9, 0xDA
_FTYP_BRANDS: Final = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and size in pixels, before any rotation that the picture asks for; `whole`: its end is there."""

    kind: Kind
    width: int
    height: int
    whole: bool

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


class NotAnImage(Exception):  # noqa: N818 - a finding about somebody else's file
    """The bytes are no picture that is taken; the message says what they are instead, as far as that shows."""


def read_image_header(data: bytes) -> ImageHeader:
    """Tell format and size of a JPEG, PNG or WebP. Raises NoPicture for anything else, or a damaged header."""
    if not data:
        raise NotAnImage("the file is empty")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp" and data[8:12] in _FTYP_BRANDS:
        raise NotAnImage(f"this is {_FTYP_BRANDS[data[8:12]]}, which is not read here")
    raise NotAnImage("this is no picture")


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    size: tuple[int, int] | None = None
    while True:
        if data[at : at + 1] != b"\xff":
            raise NotAnImage("the header of this JPEG is damaged")
        while data[at : at + 1] == b"\xff":  # any number of them may come before a marker
            at += 1
        if at + 3 > len(data):
            raise NotAnImage("this JPEG is cut off in its header")
        marker = data[at]
        at += 1
        if marker in _JPEG_ALONE:
            continue
        length = struct.unpack_from(">H", data, at)[0]
        if marker == _SOS and size is not None:
            # Within what follows, 0xff stands alone only before a marker, so this is the end.
            return ImageHeader("JPEG", *size, whole=data.find(b"\xff\xd9", at + length) >= 0)
        if marker in (_EOI, _SOS) or length < 2:  # noqa: PLR2004 - the length counts itself
            raise NotAnImage("the header of this JPEG is damaged")
        if marker in _JPEG_SIZES:
            if size is not None or at + 7 > len(data):
                raise NotAnImage("the header of this JPEG is damaged")
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = _sized("JPEG", width, height)
        at += length


def _png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":  # noqa: PLR2004 - signature and the first chunk
        raise NotAnImage("this PNG is cut off in its header")
    width, height = struct.unpack_from(">II", data, 16)
    return ImageHeader("PNG", *_sized("PNG", width, height), whole=b"IEND" in data[-4096:])


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
    whole = len(data) >= int.from_bytes(data[4:8], "little") + 8
    return ImageHeader("WebP", *_sized("WebP", width, height), whole=whole)


def _sized(kind: str, width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise NotAnImage(f"this {kind} is {width} by {height} pixels")
    return width, height
