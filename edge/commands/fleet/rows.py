"""Builds the row of each device, for the table, for JSON and for the filter, and sorts rows by trouble. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.commands.fleet.devices import Device, unix_of
from edge.commands.fleet.problems import KINDS, Problem, judge
from edge.messages.payload_builder import timestamp
from edge.messages.text import printable
from edge.messages.topics import ONLINE, STOPPED

_DIGITS = re.compile(r"(\d{1,18})")
_ESCAPED = re.compile(r"[^ -~]+")
"""Letters of which some cannot be printed; they stand in strings only."""
_UNKNOWN_RANK = len(KINDS)
"""Ranks behind those of the problems: fine, then stopped."""


@dataclass(frozen=True, slots=True)
class Row:
    """A device as it is shown. Texts are as the device sends them: whoever prints them makes them printable.

    `since_unix`: of a device that is online, when its sensor started; of any other, when it was last heard of.
    `rank`: its place in the order of trouble.
    """

    name: str
    status: str | None
    since_unix: float | None
    device: Device
    problems: list[Problem]
    rank: tuple[int, int]

    @property
    def wrong(self) -> bool:
        """Whether somebody should act."""
        return any(problem.wrong for problem in self.problems)


def build_rows(devices: Iterable[Device], now_unix: float) -> list[Row]:
    """Return a row for each device, by trouble: worst first, devices with the same trouble by name."""
    rows = [_row(device, now_unix) for device in devices]
    return sorted(rows, key=lambda row: (row.rank, _natural(row.name)))


def _row(device: Device, now_unix: float) -> Row:
    heard = device.heard_unix  # reads the state as well, so that what is wrong with it is known
    problems = judge(device, now_unix)
    since = _started_unix(device) if device.status in {ONLINE, None} else device.status_live or heard
    worst = problems[0].rank if problems else _UNKNOWN_RANK
    # More problems are worse than one of the same kind.
    rank = (worst if device.status != STOPPED else _UNKNOWN_RANK + 1, -len(problems))
    return Row(device.name, device.status, since, device, problems, rank)


def _started_unix(device: Device) -> float | None:
    """Return when the sensor started: `info` and `status` have no time, but `health` says how long it has run.

    A clock that was set after the start does no harm, because the sensor counts on one that nobody sets.
    """
    health = device.health
    if health is None or health.uptime_seconds is None:
        return None
    now = device.health_live or unix_of(health.time)
    return None if now is None else now - health.uptime_seconds


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which cam-2 comes before cam-10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part]


def json_line(row: Row) -> str:
    """Return a device as one line of JSON; docs/fleet.md has the fields. What is not known is null."""
    device = row.device
    info, health, state, event = device.info, device.health, device.state, device.event
    model = None if info is None else info.model
    level = None if health is None else health.budget
    record: dict[str, Any] = {
        "device": row.name,
        "status": row.status,
        "since": _stamp(row.since_unix),
        "heard": _stamp(device.heard_unix),
        "version": info and info.version,
        "model": model and model.name,
        "source": info and info.source,
        "source_state": health and health.source,
        "fps": health and health.fps,
        "p99_ms": health and health.latency_ms and health.latency_ms.p99,
        "budget_ms": health and health.budget_latency_ms,
        "within_budget": health and health.within_budget,
        "level": level and level.level,
        "outbox": health and health.outbox_depth,
        "outbox_dropped": health and health.outbox_dropped,
        "temperature_c": health and health.temperature_c,
        "faces": state and len(state.faces),
        "emotion": state and state.emotion,
        "event": event and {"time": event.time, "type": event.type, "emotion": event.emotion},
        "wrong": row.wrong,
        "problems": [{"kind": problem.kind, "text": printable(problem.text)} for problem in row.problems],
    }
    return _ESCAPED.sub(_escaped, msgspec.json.encode(record).decode())


def _escaped(letters: re.Match[str]) -> str:
    """Return letters of a JSON text as JSON escapes them: a terminal obeys some, and lines may end at others."""
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in letters[0])


def _stamp(unix: float | None) -> str | None:
    try:
        return None if unix is None else timestamp(unix)
    except (ValueError, OverflowError, OSError):
        return None
