"""The screen on which devices are watched or paged through: what keys do, and what is shown. Pure.

Keys come as words (`edge.commands.fleet.terminal`), and the screen goes out as lines.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from edge.commands.fleet.cells import cut, fit
from edge.commands.fleet.filters import WORDS, Filter
from edge.commands.fleet.rows import Row
from edge.commands.fleet.table import lay_out, totals
from edge.messages.text import printable

_MOVES: Final[Mapping[str, Callable[[int, int, int], int]]] = {
    **dict.fromkeys((" ", "n", "f", "page_down"), lambda top, page, _count: top + page),
    **dict.fromkeys(("b", "p", "page_up"), lambda top, page, _count: top - page),
    **dict.fromkeys(("j", "down", "enter"), lambda top, _page, _count: top + 1),
    **dict.fromkeys(("k", "up"), lambda top, _page, _count: top - 1),
    **dict.fromkeys(("g", "home"), lambda _top, _page, _count: 0),
    **dict.fromkeys(("G", "end"), lambda _top, _page, count: count),
}
"""The first device to show after a key: from the first one, the devices on a page, and all devices."""
_FRAME_LINES: Final = 4
"""Lines around the devices: the title, the totals, the heading, and the keys."""
_MOST_FILTER: Final = 200
"""Letters of a filter that is typed."""
REVERSE, PLAIN, BOLD = "\x1b[7m", "\x1b[0m", "\x1b[1m"


class Screen:
    """Shows one page of the devices. `chosen`: the filter to begin with."""

    def __init__(self, chosen: Filter) -> None:
        self.filter = chosen
        self.ended = False
        """Whether the user has asked for the end."""
        self._typed: str | None = None
        self._top = 0
        self._page = 1
        self._count = 0

    def key(self, key: str) -> None:
        """Take a key."""
        if self._typed is not None:
            self._type(key)
        elif key == "q":
            self.ended = True
        elif key == "/":
            self._typed = str(self.filter)
        elif key == "escape":
            self._choose("")
        else:
            move = _MOVES.get(key)
            if move is not None:
                self._go(move(self._top, self._page, self._count))

    def show(self, rows: Sequence[Row], now_unix: float, title: str, size: tuple[int, int]) -> list[str]:
        """Return the lines of the screen, at most its height, none wider than it.

        `rows`: all devices, by trouble. `title`: what the first line says. `size`: columns and lines of the terminal.
        """
        width, height = max(size[0], 1), max(size[1], 1)
        chosen = self.filter.apply(rows)
        self._page, self._count = max(height - _FRAME_LINES, 1), len(chosen)
        self._go(self._top)
        page = chosen[self._top : self._top + self._page]
        heading, *lines = lay_out(page, now_unix, width)
        shown = [
            cut(printable(title), width),
            cut(totals(chosen, len(rows)), width),
            f"{REVERSE}{fit(heading, width)}{PLAIN}",
            *(f"{BOLD}{line}{PLAIN}" if row.wrong else line for row, line in zip(page, lines, strict=True)),
        ]
        shown += [""] * (height - 1 - len(shown))
        # The keys stay in sight, however low the terminal is.
        return [*shown[: height - 1], cut(self._foot(), width)]

    def _foot(self) -> str:
        if self._typed is not None:
            return printable(f"/{self._typed}_   pattern of ids (* any text), {', '.join(WORDS)}; Enter, Esc")
        first, last = min(self._top + 1, self._count), min(self._top + self._page, self._count)
        chosen = f'   only "{self.filter}", Esc: all' if str(self.filter) else ""
        return printable(f"{first}-{last} of {self._count}   space next, b back, / filter, q quit{chosen}")

    def _type(self, key: str) -> None:
        typed = self._typed or ""
        if key == "enter":
            self._choose(typed)
        elif key == "escape":
            self._typed = None
        elif key == "backspace":
            self._typed = typed[:-1]
        elif len(key) == 1 and key.isprintable() and len(typed) < _MOST_FILTER:
            self._typed = typed + key

    def _choose(self, text: str) -> None:
        self.filter, self._typed, self._top = Filter.parse(text), None, 0

    def _go(self, top: int) -> None:
        self._top = max(0, min(top, self._count - self._page))
