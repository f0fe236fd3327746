"""Writes pictures that carry an EXIF orientation, as JPEG, PNG, WebP and TIFF, and videos that are to be turned."""

import struct
import zlib

import cv2
import numpy as np

FORMATS = ("jpeg", "png", "webp", "tiff")
WIDTH, HEIGHT = 48, 32


def upright_picture():
    """Return a grey uint8 picture that differs from each of its turned and mirrored forms."""
    picture = np.full((HEIGHT, WIDTH), 60, np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = 220
    picture[HEIGHT // 2 :, : WIDTH // 4] = 140
    return picture


def as_stored(picture, orientation):
    """Return the pixels that a camera stores for a picture under an EXIF orientation (CIPA DC-008, 4.6.4)."""
    return {
        1: lambda: picture,
        2: lambda: picture[:, ::-1],
        3: lambda: picture[::-1, ::-1],
        4: lambda: picture[::-1],
        5: lambda: np.swapaxes(picture, 0, 1),
        6: lambda: np.rot90(picture, 1),
        7: lambda: np.swapaxes(picture[::-1, ::-1], 0, 1),
        8: lambda: np.rot90(picture, -1),
    }[orientation]().copy()


def exif(orientation, order="<"):
    """Return EXIF data with one directory that holds the orientation, in an order of bytes."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def encode(picture, orientation, kind, order="<"):
    """Encode a picture of any orientation in a format."""
    stored = as_stored(picture, orientation)
    data = exif(orientation, order)
    if kind == "tiff":
        return _tiff(stored, orientation, order)
    suffix = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}[kind]
    plain = cv2.imencode(suffix, stored, [cv2.IMWRITE_WEBP_QUALITY, 101] if kind == "webp" else [])[1].tobytes()
    if kind == "jpeg":
        segment = b"Exif\0\0" + data
        return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    if kind == "png":
        chunk = b"eXIf" + data
        return plain[:33] + struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    height, width = stored.shape[:2]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size
    body = b"WEBP" + extended + plain[12:] + b"EXIF" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(stored, orientation, order):
    height, width = stored.shape
    tags = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (274, 3, orientation),
        (277, 3, 1),
        (278, 3, height),
        (279, 4, stored.size),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + stored.size)
    entries = b"".join(
        struct.pack(order + "HHIHH", tag, kind, 1, value, 0)
        if kind == 3
        else struct.pack(order + "HHII", tag, kind, 1, value)
        for tag, kind, value in tags
    )
    return head + stored.tobytes() + struct.pack(order + "H", len(tags)) + entries + bytes(4)
