"""Decodes a still picture to 8-bit grey or BGR, upright, the same with every supported version of OpenCV."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.geometry import picture_geometry, upright
from edge.capture.pictures.header import ImageHeader, NotAnImage, read_image_header
from edge.logs.native import captured_native_lines, silence_opencv

MAX_PIXELS: Final = 120_000_000
"""Largest picture from a file. The largest in use, of phones, have 108 million; as BGR that is 0.32 GB of memory. A
file of some megabytes can hold a thousand times as many, for which a device has no memory."""

_DEEP_WHITES: Final = (1023, 4095, 16_383, 65_535)
"""Highest samples of 10, 12, 14 and 16 bits in a word of 16."""
_WHITE: Final = 255
_BACKGROUND: Final = 255
"""What shows through a transparent picture: white, as in most viewers. The colours that are stored below transparent
pixels are arbitrary, and no viewer shows them."""
_COLOUR_DIMENSIONS: Final = 3
_ALPHA_CHANNELS: Final = 4
_DAMAGE: Final = ("corrupt", "premature")
"""Words with which libjpeg reports damage inside a picture, which it then fills with grey or noise (jerror.h)."""
_REDUCED: Final = {
    1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR),
    2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
    4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
    8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8),
}


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A decoded picture: `image`, uint8 (height, width) grey or (height, width, 3) BGR.

    `damage`: what the decoder reported about a picture of which parts are wrong, else empty.
    """

    image: NDArray[np.uint8]
    damage: str = ""


def decode_file_content(data: bytes, *, colour: bool) -> DecodedPicture:
    """Decode the content of a picture file. Raises NotAnImage where it is none, too large, cut off or damaged."""
    header = read_image_header(data)
    if header.pixels > MAX_PIXELS:
        raise NotAnImage(
            f"this {header.format} has {header.width} by {header.height} pixels, {header.pixels / 1e6:.0f} million, "
            f"and at most {MAX_PIXELS / 1e6:.0f} million are decoded: make it smaller"
        )
    if not header.complete:
        raise NotAnImage(f"this {header.format} is cut off: its end is missing")
    return decode_picture(data, header, colour=colour)


def decode_picture(data: bytes, header: ImageHeader, *, colour: bool, reduction: int = 1) -> DecodedPicture:
    """Decode a complete picture of a checked size: to BGR with `colour`, else to grey.

    `reduction`: 1, 2, 4 or 8; a picture of 8 bits without transparency is reduced by it while it is decoded.

    - Deep samples are scaled to 8 bits by the highest value that the header states, else by the smallest of 10, 12,
      14 and 16 bits that holds them all: cameras of industry and science store 12 bits in words of 16, which shown
      by their upper byte would be black.
    - A transparent picture is laid on white.
    - The EXIF orientation is applied; other metadata change nothing.

    Raises NotAnImage where the picture is damaged or has samples that are not supported.
    """
    silence_opencv()
    whole = header.alpha or header.bits > 8 or header.transparent_grey is not None  # noqa: PLR2004 - bits of a byte
    flags = cv2.IMREAD_UNCHANGED if whole else _REDUCED[reduction][colour] | cv2.IMREAD_IGNORE_ORIENTATION
    # A text PNM may end with its last digit, at which OpenCV's reader expects another character.
    content = data + b"\n" if header.format == "PNM" else data
    with captured_native_lines() as lines:
        try:
            image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        except (cv2.error, MemoryError):
            image = None
    if image is None:
        raise NotAnImage(f"this {header.format} is damaged and cannot be decoded")
    if image.dtype not in (np.uint8, np.uint16):
        raise NotAnImage(
            f"this {header.format} holds {image.dtype} samples, which are not supported: convert it to 8 bits"
        )
    result = upright(_converted(image, header, colour=colour), picture_geometry(data))
    return DecodedPicture(np.ascontiguousarray(result), _damage_in(lines))


def _converted(image: NDArray[Any], header: ImageHeader, *, colour: bool) -> NDArray[np.uint8]:
    """Return a decoded picture of any depth and channels as grey or BGR of 8 bits."""
    transparent = None if header.transparent_grey is None else image == header.transparent_grey
    alpha: NDArray[Any] | None = None
    if image.ndim == _COLOUR_DIMENSIONS and image.shape[2] == _ALPHA_CHANNELS:
        alpha = image[..., 3].astype(np.float32) / np.iinfo(image.dtype).max
        image = image[..., :3]
    shallow = to_eight_bits(image, header.white)
    if transparent is not None and transparent.shape == shallow.shape[:2]:
        shallow = np.where(transparent, np.uint8(_BACKGROUND), shallow)
    if alpha is not None and header.alpha:
        # libtiff multiplies 8-bit samples with their transparency while it decodes them (TIFFReadRGBAImage(3)).
        multiplied = header.format == "TIFF" and image.dtype == np.uint8
        shallow = _on_background(shallow, alpha, multiplied=multiplied)
    if shallow.ndim == _COLOUR_DIMENSIONS:
        return shallow if colour else np.asarray(cv2.cvtColor(shallow, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.asarray(cv2.cvtColor(shallow, cv2.COLOR_GRAY2BGR), np.uint8) if colour else shallow


def to_eight_bits(image: NDArray[Any], white: int | None = None) -> NDArray[np.uint8]:
    """Scale samples, uint8 or uint16 of any shape, so that `white` becomes 255.

    Without `white` bytes stay as they are, and words count as the smallest of 10, 12, 14 and 16 bits that holds all.
    """
    if white is None:
        if image.dtype == np.uint8:
            return np.asarray(image, np.uint8)
        highest = int(image.max(initial=0))
        white = next(each for each in _DEEP_WHITES if highest <= each)
    if white == _WHITE and image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    return np.asarray(cv2.convertScaleAbs(image, alpha=_WHITE / white), np.uint8)


def _on_background(image: NDArray[np.uint8], alpha: NDArray[np.float32], *, multiplied: bool) -> NDArray[np.uint8]:
    """Lay BGR (height, width, 3) with transparency 0 to 1 (height, width) on the background."""
    opacity = alpha[..., None]
    front = image if multiplied else image * opacity
    return np.asarray(np.clip(np.rint(front + (1 - opacity) * _BACKGROUND), 0, _WHITE), np.uint8)


def _damage_in(lines: list[str]) -> str:
    """Return the first line in which libjpeg reports damage, else an empty text."""
    for line in lines:
        if any(word in line.casefold() for word in _DAMAGE):
            return line.strip()
    return ""
