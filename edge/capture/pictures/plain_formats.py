"""Reads the headers of BMP, TIFF and PNM, the formats of scanners, cameras of industry and scripts."""

import struct
from dataclasses import dataclass
from typing import Final

_BMP_CORE_HEADER_BYTES: Final = 12  # OS/2's, with 16-bit sizes
_BMP_UNCOMPRESSED: Final = frozenset({0, 3, 6})
"""BI_RGB, BI_BITFIELDS and BI_ALPHABITFIELDS: the size of the pixels follows from the header."""

_WIDTH, _HEIGHT, _BITS, _SUBFILE, _DNG_VERSION, _SAMPLE_FORMAT = 256, 257, 258, 254, 50706, 339
_EXTRA_SAMPLES: Final = 338
_OFFSETS_AND_COUNTS: Final = ((273, 279), (324, 325))
"""Tags of where strips and tiles begin, and of their sizes (TIFF 6.0, sections 8 and 15)."""
_TIFF_TYPES: Final = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG
_TIFF_BITS: Final = frozenset({1, 2, 4, 8, 16})
"""Bits of a sample that every OpenCV from 4.6 on decodes alike; packed 12-bit samples are not among them."""
_MAX_TIFF_ENTRIES: Final = 512  # real directories have some twenty
_MAX_TIFF_VALUES: Final = 1 << 20  # strips of the largest picture that is decoded

_PNM_BITMAPS: Final = b"14"
_PNM_TEXT: Final = b"123"
_PNM_COLOUR: Final = b"36"
_MAX_PNM_HEADER_BYTES: Final = 4096  # with comments


@dataclass(frozen=True, slots=True)
class PlainHeader:
    """Size in pixels, bits of a sample, and what else must be known before decoding; as in `ImageHeader`."""

    width: int
    height: int
    complete: bool
    bits: int = 8
    alpha: bool = False
    white: int | None = None


def read_bmp(data: bytes) -> PlainHeader | str:
    """Return the header of a BMP, or what is wrong with it, as the end of a sentence.

    A fourth channel is never taken for transparency: in most BMP of 32 bits it is unused, and 0.
    """
    if len(data) < 30:  # noqa: PLR2004 - up to the compression, or the whole OS/2 header
        return "is cut off in its header"
    start, size = struct.unpack_from("<II", data, 10)
    if size == _BMP_CORE_HEADER_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif len(data) < 54:  # noqa: PLR2004 - both headers
        return "is cut off in its header"
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative: from top to bottom
    stride = (width * bits + 31) // 32 * 4
    needed = start + stride * height if compression in _BMP_UNCOMPRESSED else int.from_bytes(data[2:6], "little")
    return PlainHeader(width, height, complete=len(data) >= needed)


def read_tiff(data: bytes) -> PlainHeader | str:
    """Return the header of the first picture of a TIFF, or what is wrong with it, as the end of a sentence."""
    order = "<" if data[:2] == b"II" else ">"
    if data[8:10] == b"CR":
        return "is a camera's raw file (CR2), which is not supported: develop it to JPEG"
    tags = _tiff_tags(data, order)
    if not tags.get(_WIDTH) or not tags.get(_HEIGHT):
        return "is damaged or cut off: its directory cannot be read"
    if _DNG_VERSION in tags or tags.get(_SUBFILE, [0])[0] & 1:
        return "begins with a thumbnail, as raw files of cameras do, which are not supported: develop it to JPEG"
    bits = set(tags.get(_BITS, [1]))
    if len(bits) != 1 or not bits <= _TIFF_BITS:
        return f"has {' and '.join(map(str, sorted(bits)))} bits a sample, which is not supported: convert it to 8"
    if set(tags.get(_SAMPLE_FORMAT, [1])) - {1, 4}:  # unsigned, undefined
        return "holds signed or floating-point numbers, which are not supported: convert it to 8 bits"
    ends = [
        offset + count
        for offsets, counts in _OFFSETS_AND_COUNTS
        for offset, count in zip(tags.get(offsets, []), tags.get(counts, []), strict=False)
    ]
    complete = bool(ends) and max(ends) <= len(data)
    alpha = _EXTRA_SAMPLES in tags
    return PlainHeader(tags[_WIDTH][0], tags[_HEIGHT][0], complete, bits.pop(), alpha)


def _tiff_tags(data: bytes, order: str) -> dict[int, list[int]]:
    """Return the whole numbers in the first directory of a TIFF; what cannot be read is left out."""
    tags: dict[int, list[int]] = {}
    if len(data) < 8:  # noqa: PLR2004 - the header
        return tags
    at = struct.unpack_from(order + "I", data, 4)[0]
    if at + 2 > len(data):
        return tags
    entries = min(struct.unpack_from(order + "H", data, at)[0], _MAX_TIFF_ENTRIES)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", data, entry)
        code = _TIFF_TYPES.get(kind)
        if code is None or not 0 < count <= _MAX_TIFF_VALUES:
            continue
        length = struct.calcsize(code) * count
        place = entry + 8 if length <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]  # noqa: PLR2004
        if place + length <= len(data):
            tags[tag] = list(struct.unpack_from(f"{order}{count}{code}", data, place))
    return tags


def read_pnm(data: bytes) -> PlainHeader | str:
    """Return the header of a PBM, PGM or PPM, or what is wrong with it, as the end of a sentence."""
    kind = data[1:2]
    wanted = 2 if kind in _PNM_BITMAPS else 3
    numbers: list[int] = []
    at = 2
    while len(numbers) < wanted:
        while data[at : at + 1].isspace():
            at += 1
        if data[at : at + 1] == b"#":
            at = data.find(b"\n", at, _MAX_PNM_HEADER_BYTES)
            if at < 0:
                return "is damaged: its header does not end"
            continue
        begin = at
        while data[at : at + 1].isdigit() and at - begin < 10:  # noqa: PLR2004 - digits of any real size
            at += 1
        if begin == at:
            return "is damaged or cut off in its header"
        numbers.append(int(data[begin:at]))
    width, height = numbers[:2]
    white = numbers[2] if wanted == 3 else 1  # noqa: PLR2004 - size and highest value
    if not 0 < white < 65536:  # noqa: PLR2004 - the format's limit
        return f"states {white} as its highest value, but that must be 1 to 65535"
    bits = 16 if white > 255 else 8  # noqa: PLR2004 - above it a sample has two bytes
    if kind in _PNM_TEXT:
        return PlainHeader(width, height, complete=True, bits=bits, white=white)
    row = (width + 7) // 8 if kind in _PNM_BITMAPS else width * (3 if kind in _PNM_COLOUR else 1) * bits // 8
    return PlainHeader(width, height, len(data) >= at + 1 + row * height, bits, white=white)
