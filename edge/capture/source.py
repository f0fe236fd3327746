"""What every source is: opened, read frame by frame, closed."""

import time
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import SourceConfig
from edge.types import Frame, Luma

Rotation = Literal[0, 90, 180, 270]
Flip = Literal["none", "horizontal", "vertical"]

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_FLIPS = {"horizontal": 1, "vertical": 0}  # OpenCV's codes: around the y axis, around the x axis

_OWN_TIMEOUT_SHARE = 0.9
"""A source that can time its own reads gives up a little before capture does: its sentence says more."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is asked of a source.

    `width`, `height` (pixels, before rotation) and `fps` are wishes to a camera, which gives the
    nearest that it has; `fps` is also the pace of images; 0 leaves it to the source. `rotate` turns
    every frame clockwise by that many degrees, then `flip` mirrors it. `stall_seconds` bounds what
    one read of a live source may take. `colour` asks for `Frame.bgr`, which costs a conversion.
    """

    width: int = 640
    height: int = 480
    fps: float = 0.0
    rotate: Rotation = 0
    flip: Flip = "none"
    stall_seconds: float = 5.0
    colour: bool = False

    @classmethod
    def from_config(cls, config: SourceConfig, *, colour: bool = False) -> Self:
        """Take the `[source]` table; `colour` is decided by who needs the frames."""
        return cls(
            config.width, config.height, config.fps, config.rotate, config.flip, config.stall_seconds, colour=colour
        )

    @property
    def read_timeout_seconds(self) -> float:
        """How long a live source lets one read take."""
        return self.stall_seconds * _OWN_TIMEOUT_SHARE


class Source(Protocol):
    """Where frames come from.

    Used by one thread at a time: `open`, `read` until it is over, `close`. A source is not opened
    twice; whoever wants to try again makes a new one.
    """

    @property
    def uri(self) -> str:
        """What the source was made from, without credentials: safe to log and to publish."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, so that the slot keeps only the newest."""

    def open(self) -> None:
        """Get ready to read.

        Raises `SourceError`, one sentence that names the URI, file or value, and leaves nothing open.
        """

    def read(self) -> Frame | None:
        """Give the next frame; None at the end of a finite source.

        `number` counts from 0 and `seconds` is 0 for the first frame. Raises `SourceLostError` where
        a live source vanished or stalled, `SourceError` where a finite one cannot be read further,
        `RuntimeError` before `open` or after `close`.
        """

    def close(self) -> None:
        """Release the device or file; closing again does nothing."""


def oriented(picture: NDArray[np.uint8], options: SourceOptions) -> NDArray[np.uint8]:
    """Turn (clockwise), then mirror, a uint8 (height, width[, 3]) picture; the result is contiguous."""
    if options.rotate:
        picture = np.asarray(cv2.rotate(picture, _ROTATIONS[options.rotate]), np.uint8)
    if options.flip != "none":
        picture = np.asarray(cv2.flip(picture, _FLIPS[options.flip]), np.uint8)
    return np.ascontiguousarray(picture)


def make_frame(
    number: int, seconds: float, luma: Luma, options: SourceOptions, bgr: NDArray[np.uint8] | None = None
) -> Frame:
    """Orient the picture and stamp it with the present."""
    return Frame(
        number=number,
        seconds=seconds,
        luma=oriented(luma, options),
        captured_monotonic=time.monotonic(),
        captured_unix=time.time(),
        bgr=oriented(bgr, options) if bgr is not None and options.colour else None,
    )


def frame_from_bgr(number: int, seconds: float, bgr: NDArray[np.uint8], options: SourceOptions) -> Frame:
    """Make a frame of a colour picture (height, width, 3), or of a grey one (height, width)."""
    if bgr.ndim == 2:  # noqa: PLR2004 - two dimensions are a grey picture
        colour = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_GRAY2BGR), np.uint8) if options.colour else None
        return make_frame(number, seconds, bgr, options, colour)
    return make_frame(number, seconds, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8), options, bgr)


class LiveClock:
    """Seconds since the first frame of a camera, which has no time stamps that we could trust more."""

    def __init__(self) -> None:
        self._first: float | None = None

    def seconds(self) -> float:
        """Time since the first call; 0.0 on that."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        return now - self._first
