"""Decides how stored pixels become an upright picture with square pixels, for every source and picture format.

Use it for whatever is decoded, so that no version of OpenCV decides by itself (4.11 leaves videos as they are stored,
4.12 and later turn them; which pictures are turned differs as well):

- a picture: decode with `cv2.IMREAD_IGNORE_ORIENTATION` in the flags, then `upright(image, picture_geometry(data))`,
  where `data` are the bytes of the file;
- a video: set `cv2.CAP_PROP_ORIENTATION_AUTO` to 0 after opening, then `upright(image, geometry)` for each frame.

`[source] rotate` and `flip` are applied after this, by `edge.capture.source`.
"""

import math
import struct
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_ROTATIONS: Final = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_EXIF: Final = {
    1: (False, 0),
    2: (True, 0),
    3: (False, 180),
    4: (True, 180),
    5: (True, 270),
    6: (False, 90),
    7: (True, 90),
    8: (False, 270),
}
"""Mirrored, then turned clockwise by degrees, for each EXIF orientation (CIPA DC-008, tag 274)."""
_ORIENTATION_TAG: Final = 274
_SHORT: Final = 3  # the TIFF type of the orientation
_MAX_IFD_ENTRIES: Final = 512  # cameras write some 20; a damaged count must not cost time

_SQUARE_TOLERANCE: Final = 0.02
"""Pixels that are less than this from square are left as they are: nobody sees it, and resizing costs time."""
_MAX_PIXEL_ASPECT: Final = 4.0
"""Pixels of real formats are 0.5 to 2.2 times as wide as high (DVD, HDV, half-width 3D); beyond this it is an error."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How stored pixels become upright: widened, mirrored left to right, then turned clockwise, in this order.

    `pixel_aspect`: width of a stored pixel divided by its height.
    """

    mirrored: bool = False
    clockwise_degrees: int = 0
    pixel_aspect: float = 1.0


def upright(image: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Return a decoded image, uint8 (height, width[, 3]), upright and with square pixels.

    Pixels that are not square change the stored width, as players do: 720x576 with 16:15 becomes 768x576.
    """
    height, width = image.shape[:2]
    if geometry.pixel_aspect != 1:
        size = max(1, round(width * geometry.pixel_aspect)), height
        how = cv2.INTER_LINEAR if geometry.pixel_aspect > 1 else cv2.INTER_AREA
        image = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    if geometry.mirrored:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
    if geometry.clockwise_degrees:
        image = np.asarray(cv2.rotate(image, _ROTATIONS[geometry.clockwise_degrees]), np.uint8)
    return image


def exif_geometry(orientation: int) -> Geometry:
    """Return the geometry of an EXIF orientation; values other than 1 to 8 count as 1, upright."""
    mirrored, degrees = _EXIF.get(orientation, _EXIF[1])
    return Geometry(mirrored, degrees)


def picture_geometry(data: bytes) -> Geometry:
    """Return the geometry of an encoded picture, by the EXIF orientation of a JPEG, PNG or WebP.

    A TIFF counts as upright: every OpenCV from 4.11 to 4.13 turns it while it decodes, whatever the flags. Whatever is
    damaged, missing or of another format counts as upright. Densities (JFIF, pHYs, XResolution) are made
    for printing, and no browser lets them change a picture's shape: pixels of pictures are square.
    """
    return exif_geometry(_orientation(_exif_of(data)))


def video_geometry(clockwise_degrees: float, aspect_numerator: float, aspect_denominator: float) -> Geometry:
    """Return the geometry of a video stream, from the numbers that OpenCV gives for it.

    `clockwise_degrees`: CAP_PROP_ORIENTATION_META; what is no quarter turn is ignored, as players do.
    `aspect_numerator`, `aspect_denominator`: CAP_PROP_SAR_NUM and CAP_PROP_SAR_DEN; 0 stands for unknown.
    """
    quarter_turns = clockwise_degrees / 90 if math.isfinite(clockwise_degrees) else 0.0
    degrees = round(quarter_turns) % 4 * 90 if quarter_turns == round(quarter_turns) else 0
    return Geometry(clockwise_degrees=degrees, pixel_aspect=_pixel_aspect(aspect_numerator, aspect_denominator))


def _pixel_aspect(numerator: float, denominator: float) -> float:
    if not (numerator > 0 and denominator > 0):
        return 1.0
    aspect = numerator / denominator
    if abs(aspect - 1) < _SQUARE_TOLERANCE or not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        return 1.0
    return aspect


def _exif_of(data: bytes) -> bytes:
    """Return the EXIF data of a picture, which begin like a TIFF file; empty where there are none."""
    if data.startswith(b"\xff\xd8"):
        return _exif_of_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _exif_of_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_of_webp(data)
    return b""


def _exif_of_jpeg(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
            continue
        if marker == 0xDA or length < 2:  # noqa: PLR2004 - the scan begins, or the length does not count itself
            break
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":  # noqa: PLR2004 - APP1
            return data[at + 10 : at + 2 + length]
        at += 2 + length
    return b""


def _exif_of_png(data: bytes) -> bytes:
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length  # with the checksum
    return b""


def _exif_of_webp(data: bytes) -> bytes:
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        at += 8 + length + (length & 1)
    return b""


def _orientation(exif: bytes) -> int:
    """Return the orientation in the first directory of EXIF data; 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:  # noqa: PLR2004 - the header
        return 1
    at = struct.unpack_from(order + "I", exif, 4)[0]
    if at + 2 > len(exif):
        return 1
    entries = min(struct.unpack_from(order + "H", exif, at)[0], _MAX_IFD_ENTRIES)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == _ORIENTATION_TAG:
            return int(struct.unpack_from(order + "H", exif, entry + 8)[0]) if kind == _SHORT else 1
    return 1
