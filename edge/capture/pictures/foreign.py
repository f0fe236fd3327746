"""Names files that are no picture of a supported format, by their first bytes, and says what to do with them."""

from typing import Final

_HEIC: Final = "HEIC, which is not supported (the format of iPhone photos: convert it to JPEG)"
_AVIF: Final = "AVIF, which is not supported: convert it to JPEG or PNG"
_VIDEO: Final = "a video, not a picture"
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
"""Brands of HEVC-coded HEIF (ISO/IEC 23008-12, annex B)."""
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
"""Brands of AV1-coded HEIF (AV1 Image File Format, section 8)."""
_HEIF_BRANDS: Final = frozenset({b"mif1", b"msf1", b"mif2"})
"""Brands of HEIF of any coding: the compatible brands tell which. HEIC where they do not: iPhones write these."""
_MAX_BRANDS_BYTES: Final = 256  # real files list up to some twenty brands of four bytes

_MAGIC: Final = (
    (b"GIF87a", "GIF, which is not supported: convert it to PNG or JPEG"),
    (b"GIF89a", "GIF, which is not supported: convert it to PNG or JPEG"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000, which is not supported: convert it to JPEG or PNG"),
    (b"\xff\x4f\xff\x51", "JPEG 2000, which is not supported: convert it to JPEG or PNG"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL, which is not supported: convert it to JPEG or PNG"),
    (b"\xff\x0a", "JPEG XL, which is not supported: convert it to JPEG or PNG"),
    (b"8BPS", "a Photoshop file, which is not supported: export it as PNG or JPEG"),
    (b"v/1\x01", "OpenEXR, which is not supported: convert it to PNG or JPEG"),
    (b"#?RADIANCE", "Radiance HDR, which is not supported: convert it to PNG or JPEG"),
    (b"P7\n", "PAM, which is not supported: convert it to PNG"),
    (b"II+\0", "BigTIFF, which is not supported: convert it to TIFF or PNG"),
    (b"MM\0+", "BigTIFF, which is not supported: convert it to TIFF or PNG"),
    (b"IIU\0", "a camera's raw file, which is not supported: develop it to JPEG"),
    (b"IIRO", "a camera's raw file, which is not supported: develop it to JPEG"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file, which is not supported: develop it to JPEG"),
    (b"%PDF", "a PDF, not a picture"),
    (b"\x1aE\xdf\xa3", _VIDEO),
    (b"FLV\x01", _VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO),  # ASF: .wmv
    (b"\0\0\x01\xba", _VIDEO),  # MPEG program stream
    (b"OggS", _VIDEO),
    (b"YUV4MPEG2", _VIDEO),
)
"""First bytes, and what such a file is."""
_TS_PACKET_BYTES, _TS_SYNC = 188, 0x47
"""Length and first byte of the packets of an MPEG transport stream (ISO/IEC 13818-1, 2.4.3)."""
_STILLS: Final = frozenset({_HEIC, _AVIF})

FOREIGN_SUFFIXES: Final = frozenset({".avif", ".gif", ".heic", ".heif", ".hif", ".jp2", ".jxl"})
"""Suffixes of pictures that are not supported: in a folder of pictures they are named, not passed over."""


def name_foreign(data: bytes) -> str | None:
    """Return what a file is that no supported picture begins like, with what to do; None where that is not known.

    `data`: the first bytes of the file, some hundred or more.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO
    if len(data) > _TS_PACKET_BYTES and data[0] == data[_TS_PACKET_BYTES] == _TS_SYNC:
        return _VIDEO
    return None


def is_video(data: bytes) -> bool:
    """Return whether a file is a video, by its first bytes (some hundred or more)."""
    return name_foreign(data) == _VIDEO


def is_foreign_still(data: bytes) -> bool:
    """Return whether a file is HEIC or AVIF, which FFmpeg would take for a video and play in part."""
    return name_foreign(data) in _STILLS


def _of_brands(data: bytes) -> str:
    """Name a file of ISO base media (ISO/IEC 14496-12): after its length and "ftyp" come its brands."""
    length = min(int.from_bytes(data[:4], "big"), _MAX_BRANDS_BYTES, len(data))
    major = data[8:12]
    brands = {major, *(data[at : at + 4] for at in range(16, length - 3, 4))}
    if major == b"crx ":
        return "a camera's raw file (CR3), which is not supported: develop it to JPEG"
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return _AVIF
    if major in _HEIC_BRANDS | _HEIF_BRANDS:
        return _HEIC
    return _VIDEO
