"""Makes the masked areas of every frame black, before anything else sees the picture.

The polygons are in shares of the camera's picture (`edge.polygon`). They are drawn for its size once, and turned and
mirrored as the picture itself is, so that exactly the same pixels of the camera are black whatever `[source] rotate`
and `flip` say. A frame of another size gets a drawing of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.source import Source, SourceOptions, oriented
from edge.config.schema import SourceConfig
from edge.polygon import Polygon, without_repeats
from edge.types import Frame

_SHIFT: Final = 8
"""Binary digits of a corner's place below the pixel."""
_TOUCHED: Final = np.ones((3, 3), np.uint8)
"""A mask is one pixel larger on each side, so that every pixel that it touches is black."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A rectangle of the frame that holds one mask. `keep`: uint8, 0 in the mask and 255 beside it."""

    rows: slice
    columns: slice
    keep: NDArray[np.uint8]
    keep_colour: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Stencil:
    """The masks at one size of the frame. `hidden`: bool (height, width), true where a mask lies."""

    hidden: NDArray[np.bool_]
    parts: tuple[_Part, ...]


class Masks:
    """Blackens frames. Used by one thread at a time.

    `polygons`: in shares of the camera's picture; none: frames are handed on as they are. `source`: how frames are
    turned and mirrored.
    """

    def __init__(self, polygons: Iterable[Polygon] = (), source: SourceConfig | None = None) -> None:
        self._options = SourceOptions(source or SourceConfig())
        self._stencil: _Stencil | None = None
        self.configure(polygons)

    def configure(self, polygons: Iterable[Polygon]) -> None:
        """Use other polygons from the next frame on."""
        self._polygons = tuple(map(without_repeats, polygons))
        self._stencil = None

    def apply(self, frame: Frame) -> Frame:
        """Return the frame with its masks: black in grey and in colour, and marked in `hidden`.

        The arrays of the frame are changed in place, unless they are read-only.
        """
        if not self._polygons:
            return frame
        height, width = frame.luma.shape
        stencil = self._stencil
        if stencil is None or stencil.hidden.shape != (height, width):
            self._stencil = stencil = self._draw(height, width)
        return replace(
            frame,
            luma=_blackened(frame.luma, stencil),
            bgr=None if frame.bgr is None else _blackened(frame.bgr, stencil),
            decode_colour=None if frame.decode_colour is None else _blackened_later(frame.decode_colour, stencil),
            hidden=stencil.hidden,
        )

    def _draw(self, height: int, width: int) -> _Stencil:
        turned = self._options.config.rotate in {90, 270}
        camera_size = (width, height) if turned else (height, width)
        hidden = np.zeros((height, width), np.bool_)
        parts = []
        for polygon in self._polygons:
            drawn = oriented(_drawn(polygon, *camera_size), self._options)
            x, y, across, down = cv2.boundingRect(drawn)
            rows, columns = slice(y, y + down), slice(x, x + across)
            keep = np.ascontiguousarray(255 - drawn[rows, columns])
            parts.append(_Part(rows, columns, keep, np.repeat(keep[:, :, None], 3, axis=2)))
            hidden |= drawn > 0
        return _Stencil(hidden, tuple(parts))


def masks_in_words(frame: Frame) -> str | None:
    """Return how much of a frame the masks hide, for people; None without masks."""
    return None if frame.hidden is None else f"masks hide {100 * float(frame.hidden.mean()):.0f} % of the picture"


def masks_warning(frame: Frame) -> str | None:
    """Return a sentence where the masks leave nothing of a frame, else None."""
    if frame.hidden is None or not frame.hidden.all():
        return None
    return "the masks hide all of the picture, so that no face can be found: make one of [masks] smaller"


class MaskedSource:
    """A source whose frames have their masks: for what reads frames itself, without a `Capture`."""

    def __init__(self, source: Source, masks: Masks) -> None:
        self._source = source
        self._masks = masks
        self.live = source.live

    @property
    def uri(self) -> str:
        """As `Source.uri`."""
        return self._source.uri

    def open(self) -> None:
        """As `Source.open`."""
        self._source.open()

    def read(self) -> Frame | None:
        """As `Source.read`."""
        frame = self._source.read()
        return None if frame is None else self._masks.apply(frame)

    def close(self) -> None:
        """As `Source.close`."""
        self._source.close()


def _drawn(polygon: Polygon, height: int, width: int) -> NDArray[np.uint8]:
    """Return 255 for every pixel that the polygon touches, uint8 (height, width)."""
    # One pixel more on each side: what is drawn there is one pixel larger in the picture too.
    canvas = np.zeros((height + 2, width + 2), np.uint8)
    # OpenCV counts from the middle of the first pixel, shares from its edge.
    places = (np.array(polygon) * (width, height) + 0.5) * (1 << _SHIFT)
    cv2.fillPoly(canvas, [np.round(places).astype(np.int32)], (255,), shift=_SHIFT)
    return np.asarray(cv2.dilate(canvas, _TOUCHED)[1:-1, 1:-1], np.uint8)


def _blackened(image: NDArray[np.uint8], stencil: _Stencil) -> NDArray[np.uint8]:
    """Return an image, uint8 (height, width[, 3]), with its masks black."""
    if not image.flags.writeable:
        image = image.copy()
    for part in stencil.parts:
        place = image[part.rows, part.columns]
        # A rectangle at a time: a few vector instructions for 16 or 32 pixels.
        cv2.bitwise_and(place, part.keep if image.ndim == 2 else part.keep_colour, dst=place)  # noqa: PLR2004 - grey
    return image


def _blackened_later(
    decode: Callable[[], NDArray[np.uint8] | None], stencil: _Stencil
) -> Callable[[], NDArray[np.uint8] | None]:
    def decoded() -> NDArray[np.uint8] | None:
        bgr = decode()
        return None if bgr is None else _blackened(bgr, stencil)

    return decoded
