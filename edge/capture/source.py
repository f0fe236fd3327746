"""The interface of every source of frames, its options, and the making of frames."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.stall import StallLimit
from edge.config.schema import SourceConfig
from edge.types import Frame, Luma

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_FLIPS = {"horizontal": 1, "vertical": 0}  # OpenCV's codes: around the y axis, around the x axis

DecodeColour = Callable[[], NDArray[np.uint8] | None]
"""Decodes a picture in colour: BGR, uint8 (height, width, 3), or None where it cannot be decoded."""

_READ_TIMEOUT_SHARE = 0.9
"""Share of `stall_seconds` for one read: a source that times its own reads gives the more exact error, and must do so
before the supervisor declares a stall."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source delivers its frames.

    `config` is the `[source]` table. `width`, `height` (pixels, before rotation) and `fps` are requests to a camera,
    which gives the nearest that it supports; `fps` is also the pace of images; 0 leaves it to the source. `rotate`
    turns every frame clockwise by that many degrees, then `flip` mirrors it. `stall_seconds` limits one read of a live
    source. `config.uri` is not used: each source is created with a URI of its own. `colour` requests `Frame.bgr`,
    which costs a conversion. `stall`: the limit that a running capture has learned for a slow source; None: the
    configured one holds.
    """

    config: SourceConfig = field(default_factory=SourceConfig)
    colour: bool = False
    stall: StallLimit | None = None

    @property
    def read_timeout_seconds(self) -> float:
        """Longest time that one read of a live source may take."""
        stall_seconds = self.config.stall_seconds if self.stall is None else self.stall.seconds
        return stall_seconds * _READ_TIMEOUT_SHARE


class Source(Protocol):
    """A source of frames.

    Used by one thread at a time: `open`, `read` until the end, `close`. A source is opened once; to try again, a new
    one is created.
    """

    @property
    def uri(self) -> str:
        """URI that the source was created from, without credentials: safe to log and to publish."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, so that only the newest is kept."""

    def open(self) -> None:
        """Prepare for reading.

        Raises `SourceError`, one sentence that names the URI, file or value, and leaves nothing open.
        """

    def read(self) -> Frame | None:
        """Return the next frame; None at the end of a finite source.

        `number` counts from 0 and `seconds` is 0 for the first frame. Its arrays are the receiver's, who may change
        them. Raises `SourceLostError` where a live source vanished or stalled, `SourceError` where a finite one cannot
        be read further, `RuntimeError` before `open` or after `close`.
        """

    def close(self) -> None:
        """Release the device or file; closing again does nothing."""


def oriented(image: NDArray[np.uint8], options: SourceOptions) -> NDArray[np.uint8]:
    """Rotate (clockwise), then mirror, a uint8 (height, width[, 3]) image; the result is contiguous."""
    if options.config.rotate:
        image = np.asarray(cv2.rotate(image, _ROTATIONS[options.config.rotate]), np.uint8)
    if options.config.flip != "none":
        image = np.asarray(cv2.flip(image, _FLIPS[options.config.flip]), np.uint8)
    return np.ascontiguousarray(image)


def make_frame(
    number: int,
    seconds: float,
    luma: Luma,
    options: SourceOptions,
    decode: DecodeColour | None = None,
) -> Frame:
    """Orient the image and stamp it with the present time.

    `luma`: uint8 (height, width). `decode`: decodes the image to BGR, uint8 (height, width, 3), or returns None
    where it cannot: called at once with `options.colour`, else on demand.
    """
    bgr = decode() if decode is not None and options.colour else None
    return Frame(
        number=number,
        seconds=seconds,
        luma=oriented(luma, options),
        captured_monotonic=time.monotonic(),
        captured_unix=time.time(),
        bgr=None if bgr is None else oriented(bgr, options),
        decode_colour=None if decode is None or options.colour else _oriented_later(decode, options),
    )


def _oriented_later(decode: DecodeColour, options: SourceOptions) -> DecodeColour:
    def decoded() -> NDArray[np.uint8] | None:
        bgr = decode()
        return None if bgr is None else oriented(bgr, options)

    return decoded


def frame_from_bgr(
    number: int,
    seconds: float,
    image: NDArray[np.uint8],
    options: SourceOptions,
    decode: DecodeColour | None = None,
) -> Frame:
    """Make a frame of a BGR image, uint8 (height, width, 3), or of a grey one, (height, width).

    `decode`: decodes a grey one in colour, on demand.
    """
    if image.ndim == 2:  # noqa: PLR2004 - two dimensions are a grey image
        if options.colour:
            colour = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
            return make_frame(number, seconds, image, options, lambda: colour)
        return make_frame(number, seconds, image, options, decode)
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    return make_frame(number, seconds, luma, options, lambda: image)


class LiveClock:
    """Measures the seconds since a camera's first frame, for cameras without reliable time stamps."""

    def __init__(self) -> None:
        self._first: float | None = None

    def seconds(self) -> float:
        """Return the seconds since the first call; 0.0 on that call."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        return now - self._first
