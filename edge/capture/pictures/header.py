"""Reads format, size and samples of an encoded picture from its header, before anything is decoded.

So no picture is decoded that is too large or cut off, and what versions of OpenCV treat differently is refused: of
4.6 to 4.13 some decode animations, AVIF and GIF, and some fill the missing end of a JPEG with grey.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from edge.capture.pictures.foreign import name_foreign
from edge.capture.pictures.plain_formats import PlainHeader, read_bmp, read_pnm, read_tiff

ImageFormat = Literal["JPEG", "PNG", "WebP", "BMP", "TIFF", "PNM"]

_JPEG_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length field: TEM and the restarts (ITU T.81, table B.1)."""
JPEG_FRAME_STARTS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame of every coding process; C4, C8 and CC are tables and an extension (ITU T.81, table B.1)."""
_EOI, _SOS, _APP14 = 0xD9, 0xDA, 0xEE
_CMYK_COMPONENTS: Final = 4
_PNG_GREY, _PNG_GREY_ALPHA, _PNG_RGBA = 0, 4, 6
"""Colour types (PNG specification, table 11.1)."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and size in pixels, before any rotation by EXIF orientation.

    `complete`: the data contain the end of the picture, so it was not cut off. `bits`: of a sample. `alpha`: whether
    the picture may be transparent. `white`: the highest sample, where the header states it. `transparent_grey`: the
    one grey value that is transparent, as it is stored, in a PNG of 8 or 16 bits.
    """

    format: ImageFormat
    width: int
    height: int
    complete: bool
    bits: int = 8
    alpha: bool = False
    white: int | None = None
    transparent_grey: int | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


class NotAnImage(Exception):  # noqa: N818 - a finding about a foreign file
    """The data are not a supported picture; the message names their format, as far as the header shows it."""


def read_image_header(data: bytes) -> ImageHeader:
    """Return the header of a JPEG, PNG, WebP, BMP, TIFF or PNM (PBM, PGM, PPM).

    Raises NotAnImage for any other data, for a damaged header, and for a variant that is not supported: animations,
    12-bit JPEG, CMYK that does not say how it is stored, raw files of cameras.
    """
    if not data:
        raise NotAnImage("the file is empty")
    read = next((read for begins, read in _READERS if begins(data)), None)
    if read is None:
        raise NotAnImage(f"this is {name_foreign(data) or 'not a picture'}")
    return read(data)


def is_picture(beginning: bytes) -> bool:
    """Return whether a file begins as a supported picture does."""
    return any(begins(beginning) for begins, _ in _READERS)


def _plain(image_format: ImageFormat, header: PlainHeader | str) -> ImageHeader:
    if isinstance(header, str):
        raise NotAnImage(f"this {image_format} {header}")
    size = _checked_size(image_format, header.width, header.height)
    return ImageHeader(image_format, *size, header.complete, header.bits, header.alpha, header.white)


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    frame: _JpegFrame | None = None
    adobe = False
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
        if marker == _SOS and frame is not None:
            if frame.components == _CMYK_COMPONENTS and not adobe:
                # Without Adobe's mark nothing says whether 0 or 255 is full ink, and OpenCV takes one for granted.
                raise NotAnImage("this JPEG holds four inks (CMYK) for printing: convert it to RGB")
            # In entropy-coded data 0xff is followed by 0x00 unless it begins a marker, so this is the end.
            complete = data.find(b"\xff\xd9", at + length) >= 0
            return ImageHeader("JPEG", *_checked_size("JPEG", frame.width, frame.height), complete)
        repeated = marker in JPEG_FRAME_STARTS and frame is not None
        if marker in (_EOI, _SOS) or repeated or length < 2:  # noqa: PLR2004 - the length field counts itself
            raise NotAnImage("the header of this JPEG is damaged")
        if marker in JPEG_FRAME_STARTS:
            frame = _jpeg_frame(data, at)
        adobe = adobe or (marker == _APP14 and data[at + 2 : at + 7] == b"Adobe")
        at += length


class _JpegFrame(NamedTuple):
    width: int
    height: int
    components: int


def _jpeg_frame(data: bytes, at: int) -> _JpegFrame:
    """Read the frame header whose length field is at `at` (ITU T.81, B.2.2)."""
    if at + 8 > len(data):
        raise NotAnImage("the header of this JPEG is damaged")
    bits, height, width, components = struct.unpack_from(">BHHB", data, at + 2)
    if bits != 8:  # noqa: PLR2004 - what OpenCV's decoder is built for
        raise NotAnImage(f"this JPEG has {bits} bits a sample, which is not supported: convert it to 8")
    return _JpegFrame(width, height, components)


def _png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":  # noqa: PLR2004 - signature and the first chunk
        raise NotAnImage("this PNG is cut off in its header")
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    alpha = kind in (_PNG_GREY_ALPHA, _PNG_RGBA)
    header = ImageHeader("PNG", *_checked_size("PNG", width, height), complete=False, bits=bits, alpha=alpha)
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"acTL":
            raise NotAnImage("this PNG is animated, which is not supported: give one picture, or a video")
        if name == b"tRNS" and kind != _PNG_GREY:
            header = replace(header, alpha=True)
        if name == b"tRNS" and kind == _PNG_GREY and length == 2 and bits >= 8:  # noqa: PLR2004 - one 16-bit value
            header = replace(header, transparent_grey=int.from_bytes(data[at + 8 : at + 10], "big"))
        if name == b"IEND":
            return replace(header, complete=True)
        at += 12 + length
    return header


def _webp(data: bytes) -> ImageHeader:
    chunk = data[12:16]
    if len(data) < 30:  # noqa: PLR2004 - the longest of the three headers
        raise NotAnImage("this WebP is cut off in its header")
    alpha = False
    if chunk == b"VP8X":  # flags, then 24-bit sizes less one (RFC 9649, 2.7)
        if data[20] & 0x02:
            raise NotAnImage("this WebP is animated, which is not supported: give one picture, or a video")
        alpha = bool(data[20] & 0x10)
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif chunk == b"VP8L":  # 14 bits each, less one, after a signature byte (RFC 9649, 3.4)
        bits = int.from_bytes(data[21:25], "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    elif chunk == b"VP8 ":  # 14 bits each, after frame tag and start code (RFC 6386, 9.1)
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
    else:
        raise NotAnImage("the header of this WebP is damaged")
    complete = len(data) >= int.from_bytes(data[4:8], "little") + 8
    return ImageHeader("WebP", *_checked_size("WebP", width, height), complete=complete, alpha=alpha)


def _checked_size(image_format: ImageFormat, width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise NotAnImage(f"this {image_format} is {width} by {height} pixels")
    return width, height


_READERS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[bytes], ImageHeader]], ...]] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
    (lambda data: data.startswith((b"II*\0", b"MM\0*")), lambda data: _plain("TIFF", read_tiff(data))),
    (lambda data: data.startswith(b"BM"), lambda data: _plain("BMP", read_bmp(data))),
    (
        lambda data: data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace(),
        lambda data: _plain("PNM", read_pnm(data)),
    ),
)
"""How each supported format begins, and what reads its header."""
