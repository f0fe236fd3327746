"""Lays out devices as a table: a line for each, in the width that there is. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.commands.fleet.cells import cells, fit, pad
from edge.commands.fleet.devices import unix_of
from edge.commands.fleet.rows import Row
from edge.messages.text import count, format_age, printable
from edge.messages.topics import OFFLINE, ONLINE, STOPPED

_NONE: Final = "-"
"""What stands for a value that is not known."""
_GAP: Final = "  "
_LEAST_PROBLEM: Final = 24
"""Cells that the last column has at least, where other columns can be left out for it."""
_LONGEST_ALIGNED: Final = 64
"""Cells of the longest id of a sensor. What is longer is not one, and moves its own line only."""
_MOST_NAMED: Final = 4
"""Versions or models that the line of totals names."""
_EVENTS: Final = {"face_appeared": "appeared", "emotion_changed": "changed to", "face_left": "left"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, the text of a row at a Unix time, and the most cells that it takes.

    `dropped`: its place in the order in which columns are left out where there is too little room; 0: never.
    """

    title: str
    text: Callable[[Row, float], str]
    most: int
    dropped: int = 0
    right: bool = False


def _since(row: Row, now_unix: float) -> str:
    return _NONE if row.since_unix is None else format_age(max(0.0, now_unix - row.since_unix))


def _version(row: Row, _now: float) -> str:
    info = row.device.info
    return (info and info.version) or _NONE


def _model(row: Row, _now: float) -> str:
    info = row.device.info
    return (info and info.model and info.model.name) or _NONE


def _source(row: Row, _now: float) -> str:
    info = row.device.info
    return (info and info.source) or _NONE


def _fps(row: Row, _now: float) -> str:
    health = row.device.health
    if health is None or health.fps is None or row.status != ONLINE:
        return _NONE
    return f"{health.fps:.1f}"


def _latency(row: Row, _now: float) -> str:
    health = row.device.health
    if health is None or health.budget_latency_ms is None or row.status != ONLINE:
        return _NONE
    p99 = None if health.latency_ms is None else health.latency_ms.p99
    return f"{_NONE if p99 is None else format(p99, '.0f')}/{health.budget_latency_ms:.0f}"


def _level(row: Row, _now: float) -> str:
    health = row.device.health
    return (row.status == ONLINE and health and health.budget and health.budget.level) or _NONE


def _outbox(row: Row, _now: float) -> str:
    health = row.device.health
    return _NONE if health is None or health.outbox_depth is None else str(health.outbox_depth)


def _temperature(row: Row, _now: float) -> str:
    health = row.device.health
    return _NONE if health is None or health.temperature_c is None else f"{health.temperature_c:.0f}°"


def _seen(row: Row, now_unix: float) -> str:
    """Return the last event, else the faces in view."""
    event, state = row.device.event, row.device.state
    if event is not None:
        what = _EVENTS.get(event.type or "", event.type or _NONE)
        moment = unix_of(event.time)
        when = "" if moment is None else f" {format_age(max(0.0, now_unix - moment))} ago"
        return f"{what} {event.emotion or _NONE}{when}"
    if state is None or row.status != ONLINE:
        return _NONE
    if state.paused:
        return "paused"
    return f"{count(len(state.faces), 'face')}, {state.emotion or _NONE}" if state.faces else "no face"


def _problem(row: Row, _now: float) -> str:
    return "; ".join(problem.text for problem in row.problems)


COLUMNS: Final = (
    Column("device", lambda row, _: row.name, 24),
    Column("status", lambda row, _: row.status or _NONE, 7),
    Column("since", _since, 7, dropped=10),
    Column("version", _version, 12, dropped=3),
    Column("model", _model, 16, dropped=2),
    Column("source", _source, 24, dropped=1),
    Column("fps", _fps, 6, dropped=9, right=True),
    Column("p99/ms", _latency, 9, dropped=8, right=True),
    Column("level", _level, 8, dropped=5),
    Column("outbox", _outbox, 6, dropped=7, right=True),
    Column("temp", _temperature, 5, dropped=6, right=True),
    Column("last event", _seen, 24, dropped=4),
)
"""All columns but the last, `problem`, which gets the room that is left."""


def lay_out(rows: Sequence[Row], now_unix: float, width: int | None = None) -> list[str]:
    """Return the heading, and a line for each row.

    `width`: cells of a line; columns are left out until it is kept, and texts are cut. None: nothing is.
    """
    columns = [(column, [column.title, *(printable(column.text(row, now_unix)) for row in rows)]) for column in COLUMNS]
    sized = [
        (column, texts, min(_LONGEST_ALIGNED if width is None else column.most, max(map(cells, texts))))
        for column, texts in columns
    ]
    if width is not None:
        shown = _that_fit([(column, size) for column, _, size in sized], width)
        sized = [one for one in sized if one[0] in shown]
    problems = ["problem", *(printable(_problem(row, now_unix)) for row in rows)]
    place = pad if width is None else fit
    lines = []
    for number, problem in enumerate(problems):
        parts = [place(texts[number], size, right=column.right) for column, texts, size in sized]
        line = _GAP.join([*parts, problem]).rstrip()
        lines.append(line if width is None else fit(line, width).rstrip())
    return lines


def _that_fit(sized: Sequence[tuple[Column, int]], width: int) -> list[Column]:
    """Return the columns that leave the last one its room."""
    left = list(sized)
    while sum(size + len(_GAP) for _, size in left) + _LEAST_PROBLEM > width:
        droppable = [one for one in left if one[0].dropped]
        if not droppable:
            break
        left.remove(min(droppable, key=lambda one: one[0].dropped))
    return [column for column, _ in left]


def totals(rows: Sequence[Row], known: int) -> str:
    """Return the line of totals. `known`: all devices, where a filter shows fewer."""
    by_status = Counter(row.status for row in rows)
    parts = [f"{by_status[word]} {word}" for word in (ONLINE, STOPPED, OFFLINE)]
    if by_status[None]:
        parts.append(f"{by_status[None]} without a status")
    shown = count(len(rows), "device") if len(rows) == known else f"{len(rows)} of {count(known, 'device')}"
    wrong = sum(row.wrong for row in rows)
    line = f"{shown}: {', '.join(parts)}; {wrong or 'none'} with problems"
    for noun, text in (("version", _version), ("model", _model)):
        named = Counter(text(row, 0.0) for row in rows)
        named.pop(_NONE, None)
        if len(named) > 1:
            line += f"; {noun}s {_by_number(named)}"
    return printable(line)


def _by_number(named: Counter[str]) -> str:
    most = named.most_common(_MOST_NAMED)
    others = sum(named.values()) - sum(number for _, number in most)
    return ", ".join([*(f"{name}: {number}" for name, number in most), *([f"others: {others}"] if others else [])])
