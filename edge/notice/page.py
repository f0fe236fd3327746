"""Places a notice on a sheet of A4: shapes that `svg` and `pdf` draw.

Lengths are points (1/72 inch), measured from the top left corner.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from edge.errors import NoticeError
from edge.notice.code import Modules, dark_runs, side_modules
from edge.notice.content import Notice
from edge.notice.lettering import width, wrapped

WIDTH: Final = 595.28
HEIGHT: Final = 841.89
"""A4, 210 by 297 mm (ISO 216)."""
_MARGIN: Final = 48.0
_INNER: Final = WIDTH - 2 * _MARGIN
_BAND: Final = 120.0
"""Height of the black band with the title and the camera."""
_CODE: Final = 130.0
"""Side of the code with its border, 46 mm: phones read it from about half a metre (ten times its side)."""
CAMERA_WIDTH: Final = 92
CAMERA_HEIGHT: Final = 60
"""Size of the picture of a camera in the band."""
_TITLE: Final = 42.0
_INTRO: Final = 20.0
_HEADING: Final = 16.0
_BODY: Final = 14.0
"""Font sizes at a scale of 1: body text of 14 points is read from one metre."""
_LEADING: Final = 1.3
_LARGEST: Final = 1.3
_SMALLEST: Final = 0.5
_STEP: Final = 0.04
"""The texts are as large as the page has room for: a body of 18 points down to 7."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; (`x`, `y`) is the left end of its base line."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    white: bool = False

    @property
    def width(self) -> float:
        """Width in Helvetica."""
        return width(self.text, self.size, bold=self.bold)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle; (`x`, `y`) is its top left corner."""

    x: float
    y: float
    width: float
    height: float
    white: bool = False


@dataclass(frozen=True, slots=True)
class Disc:
    """A filled circle around (`x`, `y`)."""

    x: float
    y: float
    radius: float
    white: bool = False


Shape = Text | Rectangle | Disc


def lay_out(notice: Notice, code: Modules | None) -> list[Shape]:
    """Place everything on one page. Raises NoticeError where the texts are too long even at the smallest size."""
    scale = _LARGEST
    while True:
        shapes, bottom = _column(notice, code, scale)
        if bottom <= HEIGHT - _MARGIN:
            return [*_band(notice.title), *shapes]
        scale -= _STEP
        if scale < _SMALLEST:
            raise NoticeError("the texts below [notice] are too long for one page of A4: shorten them")


def body_points(notice: Notice, code: Modules | None) -> float:
    """Return the font size at which the body fits on the page. Raises as `lay_out`."""
    return next(shape.size for shape in reversed(lay_out(notice, code)) if isinstance(shape, Text))


def camera() -> tuple[Shape, ...]:
    """Return the picture of a camera, CAMERA_WIDTH by CAMERA_HEIGHT, for a black ground."""
    return (
        Rectangle(0, 12, 92, 48, white=True),
        Rectangle(28, 0, 36, 14, white=True),
        Disc(46, 36, 19),
        Disc(46, 36, 13, white=True),
        Disc(46, 36, 7),
        Disc(80, 22, 4),
    )


def _band(title: str) -> Iterator[Shape]:
    yield Rectangle(0, 0, WIDTH, _BAND)
    top = (_BAND - CAMERA_HEIGHT) / 2
    yield from (replace(shape, x=_MARGIN + shape.x, y=top + shape.y) for shape in camera())
    left = _MARGIN + CAMERA_WIDTH + 24
    size = min(_TITLE, _TITLE * (WIDTH - _MARGIN - left) / width(title, _TITLE, bold=True))
    yield Text(left, _BAND / 2 + 0.35 * size, title, size, bold=True, white=True)


def _column(notice: Notice, code: Modules | None, scale: float) -> tuple[list[Shape], float]:
    """Return the shapes below the band, and where they end."""
    shapes: list[Shape] = []
    y = _BAND + 14

    def paragraph(text: str, points: float, most: float = _INNER, *, bold: bool = False) -> None:
        nonlocal y
        size = points * scale
        for line in wrapped(text, size, most, bold=bold):
            y += size * _LEADING
            shapes.append(Text(_MARGIN, y, line, size, bold))

    paragraph(notice.intro, _INTRO, bold=True)
    for section in notice.sections:
        y += 12 * scale
        paragraph(section.heading, _HEADING, bold=True)
        for text in section.paragraphs:
            paragraph(text, _BODY)
    if code is not None:
        top = y + 14 * scale
        y = top
        paragraph(notice.more, _HEADING, _INNER - _CODE - 20, bold=True)
        paragraph(notice.url, _BODY, _INNER - _CODE - 20)
        shapes[:0] = list(_dark_modules(code, WIDTH - _MARGIN - _CODE, top, _CODE))
        y = max(y, top + _CODE)
    return shapes, y


def _dark_modules(code: Modules, left: float, top: float, side: float) -> Iterator[Rectangle]:
    """Yield the dark modules of a code with its border, a square of `side` points."""
    module = side / side_modules(code)
    for column, row, length in dark_runs(code):
        yield Rectangle(left + column * module, top + row * module, length * module, module)
