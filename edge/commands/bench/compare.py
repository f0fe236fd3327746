"""Formats two reports side by side."""

import statistics
from collections.abc import Iterator

import msgspec

from edge.capture.scripted.script import source_in_words
from edge.commands.bench.report import Program, Report, Run, Spread

Rows = dict[str, float]


def format_comparison(first: Report, second: Report) -> str:
    """Return A, B and B / A of every figure that both reports hold, after the facts in which they differ."""
    lines = [*_differences(first, second), f"{'':<34}{'A':>11}{'B':>11}{'B / A':>9}"]
    rows, others = _rows(first), _rows(second)
    for name, value in rows.items():
        if name in others:
            lines.append(f"{name:<34}{value:11.3f}{others[name]:11.3f}{_ratio(value, others[name])}")
    missing = sorted(set(rows) ^ set(others))
    if missing:
        lines.append(f"only in one: {', '.join(missing)}")
    return "\n".join(lines) + "\n"


def _differences(first: Report, second: Report) -> Iterator[str]:
    one, other = (
        {
            **msgspec.to_builtins(report.facts),
            "source": source_in_words(report.source),
            "size": f"{report.width}x{report.height}",
        }
        for report in (first, second)
    )
    for name, value in one.items():
        if value != other[name]:
            yield f"{name}: {value} (A), {other[name]} (B)"
    for letter, report in (("A", first), ("B", second)):
        for reason in report.invalid:
            yield f"{letter} is INVALID: {reason}"
        for remark in report.remarks:
            yield f"{letter}: {remark}"


def _ratio(first: float, second: float) -> str:
    return f"{second / first:9.3f}" if first > 0 else f"{'-':>9}"


def _rows(report: Report) -> Rows:
    rows: Rows = {}
    for run in report.runs:
        rows |= _run_rows(run, f"threads {run.threads}, ")
    if report.program is not None:
        rows |= _program_rows(report.program)
    return rows


def _run_rows(run: Run, prefix: str) -> Rows:
    rows: Rows = {}
    spreads: dict[str, Spread] = {
        "capture": run.capture,
        **run.stages,
        "end to end": run.end_to_end,
        "end to end CPU": run.end_to_end_cpu,
    }
    for name, spread in spreads.items():
        rows[f"{prefix}{name} p50, ms"] = spread.p50_ms
        rows[f"{prefix}{name} p99, ms"] = spread.p99_ms
    cpu = run.cpu_ms
    rows[f"{prefix}frames a second"] = run.fps
    rows[f"{prefix}line CPU, ms"] = cpu.line
    rows[f"{prefix}plain loop CPU, ms"] = cpu.plain
    rows[f"{prefix}floor CPU, ms"] = cpu.floor
    rows[f"{prefix}line / plain"] = cpu.work_ratio
    rows[f"{prefix}line / plain, whole"] = cpu.whole_ratio
    rows[f"{prefix}line / floor"] = cpu.floor_ratio
    return rows


def _program_rows(program: Program) -> Rows:
    rows = {"program CPU, ms": program.cpu_ms_per_frame}
    if program.peak_resident_mb is not None:
        rows["program resident, MB"] = program.peak_resident_mb
    if program.ready_seconds:
        rows["ready after, s"] = statistics.median(program.ready_seconds)
    seconds_to_event = [seconds for seconds in program.first_event_seconds if seconds is not None]
    if seconds_to_event and len(seconds_to_event) == len(program.first_event_seconds):
        rows["first event after, s"] = statistics.median(seconds_to_event)
    return rows
