"""Formats a report as a table of text."""

import statistics
from collections.abc import Iterator
from typing import Final

from edge.capture.scripted.script import source_in_words
from edge.commands.bench.report import Conditions, Program, Report, Run, Spread
from edge.messages.text import count

BUSY: Final = "other programs kept the processors busy"
"""Beginning of the remark on a machine that was busy before the measurement."""
_LEGEND: Final = (
    "  p50, p95, p99: half, 95 % and 99 % of the frames took no longer; frames: those that had this work to do",
    "  line: the sensor's pipeline, of which detect, classify, track and publish are the stages",
    "  end to end: from the frame in hand until its events are handed over; its CPU: the processor time of that",
    "  plain loop: what most programs do, a search of each whole frame and the network for each face",
    "  floor: one run of the network and nothing else; capture: reading and decoding a frame",
)


def format_report(report: Report) -> str:
    """Return the report as text."""
    return "\n".join([*_header(report), *(line for run in report.runs for line in _run(run)), *_footer(report)]) + "\n"


def _header(report: Report) -> Iterator[str]:
    facts = report.facts
    memory = "" if facts.memory_mb is None else f", {facts.memory_mb} MB"
    yield f"machine   {facts.board or 'no board named'}: {facts.processor}, {facts.processors} processor(s){memory}"
    yield f"system    {facts.os}, Linux {facts.kernel}, {facts.machine}"
    yield (
        f"software  emotion-edge {facts.emotion_edge}, Python {facts.python}, numpy {facts.numpy}, OpenCV "
        f"{facts.opencv}, {facts.interpreter}"
    )
    yield f"model     {facts.model}, {facts.model_input}, sha256 {facts.model_sha256[:12]}"
    yield f"source    {source_in_words(report.source)}, {report.width}x{report.height}"
    yield f"before    {_conditions(report.before)}"
    yield f"after     {_conditions(report.after)}"


def _conditions(state: Conditions) -> str:
    parts = []
    if state.load is not None:
        parts.append(f"load {state.load:.2f}")
    if state.governor is not None:
        parts.append(f"governor {state.governor}")
    if state.clock_mhz is not None:
        parts.append(f"{state.clock_mhz:.0f} MHz")
    parts.append("temperature unknown" if state.temperature_c is None else f"{state.temperature_c:.1f} degrees C")
    throttled = {True: "THROTTLED", False: "not throttled", None: "throttling unknown"}
    return ", ".join([*parts, throttled[state.throttled]])


def _run(run: Run) -> Iterator[str]:
    yield ""
    yield (
        f"threads {run.threads}: {run.frames} frames, {run.frames_with_face} with a face, {run.faces_per_frame:.2f} "
        f"faces a frame (plain loop: {run.plain_faces_per_frame:.2f})"
    )
    yield f"  {'ms a frame':<14}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'frames':>9}"
    rows = {"capture": run.capture, **run.stages, "end to end": run.end_to_end, "its CPU": run.end_to_end_cpu}
    for name, spread in {**rows, "plain loop": run.plain, "floor": run.floor}.items():
        yield f"  {name:<14}{_spread(spread)}"
    cpu = run.cpu_ms
    yield from _LEGEND
    yield f"  sustained: {run.fps:.1f} frames a second, capture and line on one thread"
    yield (
        f"  processor time, ms a frame: capture {cpu.capture:.2f}, line {cpu.line:.2f}, plain loop {cpu.plain:.2f}, "
        f"floor {cpu.floor:.2f}"
    )
    yield (
        f"  line to plain loop: {cpu.work_ratio:.3f} (1/{1 / max(cpu.work_ratio, 1e-9):.1f}); with capture in both "
        f"{cpu.whole_ratio:.3f} (1/{1 / max(cpu.whole_ratio, 1e-9):.1f}); to the floor {cpu.floor_ratio:.2f}"
    )


def _spread(spread: Spread) -> str:
    values = (spread.p50_ms, spread.p95_ms, spread.p99_ms, spread.max_ms)
    return "".join(f"{value:9.2f}" for value in values) + f"{spread.frames:9d}"


def _footer(report: Report) -> Iterator[str]:
    yield ""
    if report.program is not None:
        yield from _program(report.program)
    yield f"published to {report.published_to}"
    for remark in report.remarks:
        yield f"note: {remark}"
    for reason in report.invalid:
        yield f"INVALID: {reason}"
    yield from _verdicts(report)


def _verdicts(report: Report) -> Iterator[str]:
    """Yield what the figures mean: a line for each number of threads."""
    if report.invalid:
        yield f"verdict: none, because {report.invalid[0]}"
        return
    busy = " on a busy machine" * any(remark.startswith(BUSY) for remark in report.remarks)
    for run in report.runs:
        if run.verdict is not None:
            threads = f"{count(run.threads, 'thread')}, " if len(report.runs) > 1 else ""
            yield f"verdict{busy}: {threads}{run.verdict.sentence}"


def _program(program: Program) -> Iterator[str]:
    yield (
        f"the program itself, {program.frames} frames as quickly as it can: {program.cpu_ms_per_frame:.2f} ms of "
        f"processor time a frame, {_or_unknown(program.peak_resident_mb, 'MB')} resident at most"
    )
    if program.ready_seconds:
        yield (
            f"its start: ready after {statistics.median(program.ready_seconds):.2f} s, first event after "
            f"{_first_event(program)} (median of {len(program.ready_seconds)})"
        )


def _first_event(program: Program) -> str:
    seconds_to_event = [seconds for seconds in program.first_event_seconds if seconds is not None]
    if len(seconds_to_event) < len(program.first_event_seconds):
        return f"more than {program.patience_seconds:.0f} s"
    return f"{statistics.median(seconds_to_event):.2f} s"


def _or_unknown(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.0f} {unit}"
