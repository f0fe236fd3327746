"""Shows the devices while they change: on a screen with keys, or as lines where there is no terminal."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TextIO

from edge.commands.common import write_line
from edge.commands.fleet.filters import Filter
from edge.commands.fleet.listener import Listener
from edge.commands.fleet.rows import Row, json_line
from edge.commands.fleet.screen import Screen
from edge.commands.fleet.table import lay_out, totals
from edge.commands.fleet.terminal import TerminalScreen

REDRAW_SECONDS: Final = 1.0
"""Interval at which all devices are looked at again. Keys are answered at once."""
_POLL_SECONDS: Final = 0.05
_MOST_HELD: Final = 100
"""Lines of the log that are kept while the screen is shown."""


def page(rows: Sequence[Row], chosen: Filter, title: str) -> list[Row]:
    """Page through devices as they are, until the user ends it; returns those that the filter chose in the end."""
    now = time.time()
    title = f"{title}  as of {time.strftime('%H:%M:%S')}"
    return _run(Screen(chosen), lambda: rows, lambda screen, size: screen.show(rows, now, title, size), REDRAW_SECONDS)


def watch_screen(listener: Listener, chosen: Filter, redraw_seconds: float = REDRAW_SECONDS) -> list[Row]:
    """Show devices as they change, until the user ends it; returns those that the filter chose in the end.

    Raises BrokerError where the broker cannot be reached at first, or refuses.
    """
    rows: list[Row] = []

    def look() -> list[Row]:
        with listener.lock:
            rows[:] = listener.rows()
        return rows

    def show(screen: Screen, size: tuple[int, int]) -> list[str]:
        with listener.lock:
            title = f"{listener.broker}  {time.strftime('%H:%M:%S')}"
            title += f"  {listener.lost}" if listener.lost else "" if listener.complete else "  collecting"
            return screen.show(rows, time.time(), title, size)

    return _run(Screen(chosen), look, show, redraw_seconds)


def _run(
    screen: Screen,
    look: Callable[[], Sequence[Row]],
    show: Callable[[Screen, tuple[int, int]], list[str]],
    redraw_seconds: float,
) -> list[Row]:
    """Run a screen. `look` returns all devices, and is called again and again; `show` the lines to draw."""
    rows: Sequence[Row] = []
    with _held_log(), TerminalScreen(sys.stdin, sys.stdout) as terminal, contextlib.suppress(KeyboardInterrupt):
        due = 0.0
        while not screen.ended and not terminal.ended:
            if time.monotonic() >= due:
                due = time.monotonic() + redraw_seconds
                rows = look()
            terminal.draw(show(screen, terminal.size))
            for key in terminal.wait_keys(max(0.0, due - time.monotonic())):
                screen.key(key)
    return screen.filter.apply(rows)


@contextlib.contextmanager
def _held_log() -> Iterator[None]:
    """Keep lines of the log off the screen, and write them after it."""
    root = logging.getLogger()
    before, held = root.handlers[:], _Held()
    root.handlers[:] = [held]
    try:
        yield
    finally:
        root.handlers[:] = before
        for record in held.records:
            root.handle(record)


class _Held(logging.Handler):
    """Keeps the last records that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)
        del self.records[:-_MOST_HELD]


def watch_lines(  # noqa: PLR0913 - the last two are named
    listener: Listener, chosen: Filter, stream: TextIO, stop: Callable[[], bool], *, json: bool, redraw_seconds: float
) -> list[Row]:
    """Write all devices once, then each whose status or problems have changed; returns those chosen in the end.

    `json`: one object per line. Raises BrokerError.
    """
    changes: _Changes | None = None
    rows: list[Row] = []
    lost = ""
    with contextlib.suppress(KeyboardInterrupt):
        while not stop():
            with listener.lock:
                if changes is not None or listener.complete:
                    every = listener.rows()
                    rows = chosen.apply(every)
                    if changes is None:
                        write_rows(rows, len(every), stream, json=json)
                        changes = _Changes(rows)
                    for row in changes.of(rows):
                        write_line(stream, json_line(row) if json else _note(lay_out([row], time.time())[1]))
                now_lost = listener.lost
            if now_lost != lost and not json:
                write_line(stream, _note(now_lost or "connected to the broker again"))
            lost = now_lost
            time.sleep(_POLL_SECONDS if changes is None else redraw_seconds)
    return rows


def write_rows(rows: Sequence[Row], known: int, stream: TextIO, *, json: bool, width: int | None = None) -> None:
    """Write all rows: as a table with its totals, or with `json` as one object per line."""
    lines = map(json_line, rows) if json else [*lay_out(rows, time.time(), width), totals(rows, known)]
    stream.writelines(f"{line}\n" for line in lines)
    stream.flush()


class _Changes:
    """Remembers what was written about which device; at first all of `rows`."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._shown = {row.name: _key(row) for row in rows}

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are not as they were written last."""
        changed = [row for row in rows if self._shown.get(row.name) != _key(row)]
        self._shown = {row.name: _key(row) for row in rows}
        return changed


def _key(row: Row) -> object:
    """Return what makes a new line where it changes: no figures, which change all the time."""
    return row.status, [problem.kind for problem in row.problems]


def _note(text: str) -> str:
    return f"{time.strftime('%H:%M:%S')} {text}"
