"""`emotion-edge summary`: prints what the place saw, by day, hour or minute, and writes it as CSV."""

import argparse
import csv
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.commands.common import find_loaded, state_environ
from edge.config.loader import Loaded, tables_of
from edge.config.schema import Config
from edge.config.state_dir import summary_file
from edge.errors import ConfigError, ModelError, StateFileError
from edge.messages.summary import PeriodSummary
from edge.summary.history import PlacedCell
from edge.summary.local_time import LocalTime
from edge.summary.recorder import system_utc_offset
from edge.summary.report import Rules, period
from edge.summary.store import SummaryFileError, SummaryStore
from edge.summary.tally import LENGTH_NAMES, Tally
from edge.system import board
from edge.system.files import replace_file
from edge.system.service import Service, installed_services
from edge.vision.classification.manifest import configured_model, load_manifest

_HEADER: Final = ("", "visits", "in view", "looked", "not looked", "off", "valence", "most seconds")
_SHOWN_LABELS: Final = 3
"""Labels in a line of the table; the CSV has all."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the summaries, or write them as CSV; returns the exit code. Raises ConfigError and StateFileError."""
    loaded = find_loaded(arguments)
    summaries, names = read(config, arguments.by, arguments.days, time.time(), system_utc_offset, loaded)
    if arguments.csv is None:
        sys.stdout.write(as_table(summaries, arguments.by, config.summary.min_visits))
        return 0
    content = as_csv(summaries, names, by_emotion=arguments.by != "minute")
    try:
        replace_file(arguments.csv, lambda partial: partial.write_text(content, encoding="utf-8", newline=""))
    except OSError as error:
        raise StateFileError(f"--csv {arguments.csv} cannot be written ({error.strerror})") from error
    sys.stdout.write(f"{len(summaries)} lines written to {arguments.csv}\n")
    return 0


def read(  # noqa: PLR0913 - the last has a default
    config: Config,
    by: str,
    days: int,
    now: float,
    utc_offset: Callable[[float], int],
    loaded: Loaded | None = None,
) -> tuple[list[PeriodSummary], list[str]]:
    """Return the periods of the last `days` local days in which the sensor ran, oldest first, and all labels in them.

    `by`: "day", "hour" or "minute". `loaded`: what `config` was made of, which says whether it is a service's. Raises
    ConfigError where nothing is kept, StateFileError where the file cannot be read or is not there.
    """
    local = LocalTime(utc_offset)
    minutes, hours = _load(config, loaded or tables_of(config))
    first = local.day(now)[0]
    for _ in range(days - 1):
        first = local.day(first - 1)[0]
    bounds_of = {"day": local.day, "hour": local.hour, "minute": _minute}[by]
    tallies: dict[tuple[float, float], Tally] = {}
    for cell in minutes if by == "minute" else [*hours, *minutes]:
        if cell.middle >= first:
            tallies.setdefault(bounds_of(cell.middle), Tally()).add(cell.tally)
    labels = _labels(config) or sorted({name for tally in tallies.values() for name in tally.labels})
    rules = Rules(labels, config.labels, config.summary.min_visits, utc_offset)
    return [period(tallies[bounds], bounds, now, rules) for bounds in sorted(tallies)], labels


def _labels(config: Config) -> list[str]:
    """Return the labels of the configured model; none where that cannot be read."""
    try:
        return list(load_manifest(configured_model(config.model)).labels)
    except ModelError:
        return []


def _minute(moment: float) -> tuple[float, float]:
    start = moment // 60 * 60
    return start, start + 60


def _load(config: Config, loaded: Loaded) -> tuple[list[PlacedCell], list[PlacedCell]]:
    device = board.device_id(config.device.id)
    file = summary_file(config.mqtt, device, state_environ(loaded))
    if file is None:
        raise ConfigError('mqtt.outbox_directory is "none", so that no summary is kept: name a folder in it')
    if not config.summary.enabled:
        raise ConfigError("summary.enabled is false, so that no summary is kept: set it to true")
    try:
        return SummaryStore(file, 0).load_all()
    except FileNotFoundError:
        raise StateFileError(
            f"there is no summary in {file}: the sensor {device} writes it at each full hour and at its end"
            f"{_hint(loaded.service)}"
        ) from None
    except PermissionError:
        right = "this user must be able to read it"
        if loaded.service is not None:
            right = f"only root can read what a service keeps, as in sudo {_command(loaded.service)}"
        raise StateFileError(f"{file} cannot be read (Permission denied): {right}") from None
    except (OSError, SummaryFileError) as error:
        raise StateFileError(str(error)) from error


def _hint(service: Service | None) -> str:
    """Return the end of a sentence: how the summaries of the services are read, where the file is none of theirs."""
    if service is not None:
        return ""
    services = [one for one in installed_services() if os.path.lexists(one.state_folder)]
    if len(services) > 1:
        names = ", ".join(str(one.config_file) for one in services)
        return f"; those of the services are read by sudo emotion-edge summary --config FILE, with one of {names}"
    return f"; that of the service is read by sudo {_command(services[0])}" if services else ""


def _command(service: Service) -> str:
    return f"emotion-edge summary --config {service.config_file}"


def as_table(summaries: Sequence[PeriodSummary], by: str, min_visits: int) -> str:
    """Return the summaries as text for a terminal, by local time."""
    if not summaries:
        return "the sensor did not run in these days\n"
    rows = [_HEADER, *(_row(one, by) for one in summaries)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADER))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if by != "minute" and min_visits > 1:
        lines.append(f"Figures by emotion of fewer than {min_visits} visits are withheld (summary.min_visits).")
    return "\n".join(lines) + "\n"


def _row(one: PeriodSummary, by: str) -> tuple[str, ...]:
    start = one.local_start[:10] if by == "day" else one.local_start[:16].replace("T", " ")
    known = [(seconds, name) for name, seconds in one.emotion_seconds.items() if seconds]
    most = sorted(known, key=lambda pair: (-pair[0], pair[1]))[:_SHOWN_LABELS]
    by_emotion = by != "minute"
    return (
        start + ("" if one.complete else " so far"),
        str(one.visits),
        duration(one.present_seconds),
        duration(one.looked_seconds),
        duration(one.not_looked_seconds),
        duration(one.off_seconds),
        "-" if one.valence is None or not by_emotion else f"{one.valence:+.2f}",
        ", ".join(f"{name} {duration(seconds)}" for seconds, name in most) if by_emotion and most else "-",
    )


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it: 40 s, 12 min, 7 h 5 min."""
    if seconds < 100:  # noqa: PLR2004 - where seconds stop to be handy
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - as above


def as_csv(summaries: Sequence[PeriodSummary], labels: Sequence[str], *, by_emotion: bool) -> str:
    """Return the summaries as CSV with a header; a figure that is withheld is an empty field.

    Without `by_emotion` there is none by emotion at all: a minute has too few visits for any.
    """
    groups = list(summaries[0].group_seconds) if summaries else []
    labels = list(dict.fromkeys([*labels, *(name for one in summaries for name in one.emotion_seconds)]))
    header = ["start", "local_start", "complete", "looked_seconds", "not_looked_seconds", "off_seconds"]
    header += ["present_seconds", "visits", *(f"visits_{name}" for name in LENGTH_NAMES)]
    if by_emotion:
        header += ["valence", *(f"seconds_{name}" for name in labels), *(f"group_seconds_{name}" for name in groups)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for one in summaries:
        row: list[object] = [one.start, one.local_start, "yes" if one.complete else "no", one.looked_seconds]
        row += [one.not_looked_seconds, one.off_seconds, one.present_seconds, one.visits]
        row += [one.visit_lengths[name] for name in LENGTH_NAMES]
        if by_emotion:
            row += [one.valence, *(one.emotion_seconds.get(name) for name in labels)]
            row += [one.group_seconds.get(name) for name in groups]
        writer.writerow(["" if value is None else value for value in row])
    return text.getvalue()
