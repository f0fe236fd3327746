"""Measures and cuts text by the cells that it takes on a terminal, where some letters take two and some none. Pure."""

import unicodedata
from typing import Final

_ELLIPSIS: Final = "…"
_INVISIBLE: Final = {"Mn", "Me"}
"""Unicode categories of marks that stand on the letter before them."""


def cells(text: str) -> int:
    """Return how many cells a text takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def cut(text: str, width: int) -> str:
    """Return a text in at most `width` cells; what is cut off is shown by an ellipsis."""
    if cells(text) <= width:
        return text
    kept, left = [], width - 1
    for letter in text:
        left -= _cells_of(letter)
        if left < 0:
            break
        kept.append(letter)
    return f"{''.join(kept)}{_ELLIPSIS}" if width > 0 else ""


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly `width` cells. `right`: it stands at the right side, as numbers do."""
    return pad(cut(text, width), width, right=right)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in at least `width` cells. `right`: it stands at the right side."""
    padding = " " * (width - cells(text))
    return f"{padding}{text}" if right else f"{text}{padding}"


def _cells_of(letter: str) -> int:
    if unicodedata.category(letter) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1
