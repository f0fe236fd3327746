"""Measures text as Helvetica sets it, and breaks it into lines.

The widths are those of Adobe's font metrics for Helvetica and Helvetica-Bold (AFM, version 002.000), in thousandths of
the font size. Arial, Liberation Sans and Nimbus Sans have the same. A letter with an accent is as wide as without.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final

_FIRST: Final = 32
_REGULAR: Final = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),  # space to slash
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015),  # colon to at
    *(667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833),  # A to M
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),  # N to Z
    *(278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833),  # a to m
    *(556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500),  # n to z
    *(334, 260, 334, 584),
)
_BOLD: Final = (
    *(278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(333, 333, 584, 584, 584, 611, 975),
    *(722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833),
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(333, 278, 333, 584, 556, 333),
    *(556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889),
    *(611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500),
    *(389, 280, 389, 584),
)
_OTHERS: Final = {
    **dict.fromkeys("’‘‚", (222, 278)),
    **dict.fromkeys("“”„", (333, 500)),
    **dict.fromkeys("ı", (278, 278)),
    **dict.fromkeys("ł", (222, 278)),
    **dict.fromkeys("ŁßøÐĐþðđ", (611, 611)),
    **dict.fromkeys("æ", (889, 889)),
    **dict.fromkeys("œ", (944, 944)),
    **dict.fromkeys("ÆŒ—…", (1000, 1000)),
    **dict.fromkeys("Ø", (778, 778)),
    **dict.fromkeys("\u00a0·", (278, 278)),
    **dict.fromkeys("ďĽ", (738, 849)),  # with an apostrophe, as pdf.py sets them
    "ť": (460, 571),
    "ľ": (404, 516),
}
"""Widths (regular, bold) that are not those of a letter of ASCII."""
_USUAL: Final = 556
_WIDE: Final = 1000
"""What is not in Helvetica is set by another font: as wide as most letters, or as ideographs, which are square."""


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text; `size` and the result are in points."""
    return sum(_character(one, bold=bold) for one in unicodedata.normalize("NFC", text)) * size / 1000


def wrapped(text: str, size: float, most: float, *, bold: bool = False) -> Iterator[str]:
    """Yield the lines of a paragraph that are at most `most` points wide, broken at blanks, and else anywhere."""
    line, taken, blank = "", 0.0, width(" ", size, bold=bold)
    for word in unicodedata.normalize("NFC", text).split():
        more = width(word, size, bold=bold)
        if line and taken + blank + more <= most:
            line, taken = f"{line} {word}", taken + blank + more
            continue
        if line:
            yield line
        line, taken = word, more
        if more > most:
            *whole, line = _broken(word, size, most, bold=bold)
            yield from whole
            taken = width(line, size, bold=bold)
    if line:
        yield line


def _broken(word: str, size: float, most: float, *, bold: bool) -> Iterator[str]:
    part, taken = "", 0.0
    for one in word:
        more = width(one, size, bold=bold)
        if part and taken + more > most:
            yield part
            part, taken = "", 0.0
        part, taken = part + one, taken + more
    yield part


@cache
def _character(one: str, *, bold: bool) -> int:
    if one in _OTHERS:
        return _OTHERS[one][bold]
    base = unicodedata.normalize("NFD", one)[0]
    widths = _BOLD if bold else _REGULAR
    if 0 <= (place := ord(base) - _FIRST) < len(widths):
        return widths[place]
    if unicodedata.combining(one):
        return 0
    return _WIDE if unicodedata.east_asian_width(one) in "WF" else _USUAL
