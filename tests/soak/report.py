"""Judges and reports a run of the soak: summary.json, the summary for people, and the exit code."""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .sensor import Ended, Footprint
from .stage import Stage
from .verdict import Accounts, Verdict, judge

_WARM_SECONDS: Final = 20.0
"""A process has loaded and allocated what it needs by then: its memory is compared from here on."""
_CLOCK_WRONG_SECONDS: Final = 1800.0
LIMITS: Final = {"resident_mb": 60.0, "descriptors": 12, "threads": 8}
"""Growth within one process that counts as a leak. Memory: a reopened stream may leave FFmpeg's buffers and glibc's
arenas. The others: four threads may hang in a driver at once (ReconnectPolicy), each with its socket."""


@dataclass(slots=True)
class Observations:
    """What was seen during a run.

    `counts`: faults by kind; `skipped`: the reason by kind; `stored`: the highest `seq` of each boot that was on the
    disk when a process ended; `clean`: boots that ended with exit code 0; `footprints`: by process, each with its
    moment.
    """

    counts: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)
    footprints: dict[int, list[tuple[float, Footprint]]] = field(default_factory=dict)
    longest_without_broker_seconds: float = 0.0


def write_report(folder: Path, seed: int, stage: Stage, seen: Observations) -> int:
    """Write and print the summary of a run; returns the exit code."""
    verdict = judge(_accounts(stage, seen))
    log = _without_parts((folder / "sensor.log").read_bytes(), stage.memory_log).decode(errors="replace")
    breaches = [
        *stage.breaches,
        *stage.sensor.breaches,
        *verdict.breaches,
        *filter(None, map(_end_breach, stage.sensor.ends)),
        *_log_breaches(log),
        *_growth_breaches(_growth(seen)),
    ]
    summary = _summary(seed, stage, seen, verdict)
    (folder / "summary.json").write_text(json.dumps(summary | {"breaches": breaches}, indent=1) + "\n")
    for name, value in summary.items():
        text = json.dumps(value) if isinstance(value, dict | list) else value
        sys.stdout.write(f"{name.replace('_', ' '):36}{text}\n")
    for breach in breaches:
        sys.stdout.write(f"BREACH  {breach}\n")
    sys.stdout.write(f"{'FAILED' if breaches else 'passed'}; see {folder}\n")
    sys.stdout.flush()
    return 1 if breaches else 0


def _accounts(stage: Stage, seen: Observations) -> Accounts:
    decided: dict[str, int] = {}
    for info in stage.ledger.infos:
        for before in info.get("previous_boots", ()):
            decided[before["boot_id"]] = max(before["events_decided"], decided.get(before["boot_id"], 0))
    boots = {info["boot_id"] for info in stage.ledger.infos} | set(decided) | set(seen.stored)
    return Accounts(
        arrived=stage.watch.arrived(),
        acknowledged=stage.ledger.acknowledged(),
        stored=seen.stored,
        exposed=frozenset(stage.exposed),
        decided=decided,
        killed=frozenset(boots - seen.clean),
        refused=frozenset(stage.ledger.refused()),
    )


def _end_breach(end: Ended) -> str | None:
    """Return a sentence where a process ended by itself although no fault explains it."""
    if end.expected or "memory_short" in end.faults:
        return None
    # A camera that is not there, and a broker that refuses, end a start: systemd tries again.
    explained = end.faults & {"camera_gone", "camera_stalled", "camera_garbage", "broker_not_authorised"}
    if end.code == 1 and not end.was_ready and explained:
        return None
    return f"process {end.pid} ended by itself with {end.code} during {sorted(end.faults)}: {end.last_lines}"


def _log_breaches(log: str) -> list[str]:
    found = []
    if "Traceback" in log:
        found.append(f"a traceback in sensor.log: ...{log[log.index('Traceback') :][:600]}")
    if "soak-secret" in log:
        found.append("the camera's password is in sensor.log")
    return found


def _without_parts(data: bytes, parts: list[tuple[int, int]]) -> bytes:
    kept, at = b"", 0
    for start, end in parts:
        kept, at = kept + data[at:start], end
    return kept + data[at:]


def _growth(seen: Observations) -> dict[str, float]:
    """Return the largest growth within one process, from when it was warm until its last sample."""
    growth = dict.fromkeys(LIMITS, 0.0)
    for samples in seen.footprints.values():
        warm = [one for moment, one in samples if moment - samples[0][0] >= _WARM_SECONDS]
        if warm:
            growth = {
                name: max(most, round(getattr(warm[-1], name) - getattr(warm[0], name), 1))
                for name, most in growth.items()
            }
    return growth


def _growth_breaches(growth: dict[str, float]) -> list[str]:
    return [
        f"{name} grew by {growth[name]:g} within one process, more than {limit:g}"
        for name, limit in LIMITS.items()
        if growth[name] > limit
    ]


def _summary(seed: int, stage: Stage, seen: Observations, verdict: Verdict) -> dict[str, Any]:
    watch, sensor, ledger = stage.watch, stage.sensor, stage.ledger
    footprints = list(seen.footprints.values())
    # Without those that were decided while the clock was wrong, by an hour at least.
    ages = sorted(age for age in watch.unmarked_age_seconds if abs(age) < _CLOCK_WRONG_SECONDS) or [0.0]
    return {
        "seed": seed,
        "faults": sum(seen.counts.values()),
        "faults_by_kind": dict(sorted(seen.counts.items())),
        "skipped": seen.skipped,
        "boots": sensor.starts,
        "boots_with_events": len({boot for boot, _ in watch.arrived()}),
        "connections": ledger.connections,
        "events_arrived": verdict.events,
        "of_these_first_arrived_replayed": watch.replayed,
        "arrived_twice": verdict.repeated,
        "lost_in_the_middle_of_a_boot": verdict.lost_in_middle,
        "lost_at_the_end_of_a_boot": verdict.lost_at_end,
        "lost_at_the_end_why": verdict.ends,
        "refused_by_the_broker": len(ledger.refused()),
        "longest_without_the_broker_seconds": round(seen.longest_without_broker_seconds, 1),
        "longest_without_an_event_seconds": round(watch.longest_silence_seconds, 1),
        "longest_watchdog_pause_seconds": round(sensor.longest_feed_seconds, 1),
        "this_machine_stood_still_seconds": round(sensor.stood_still_seconds, 1),
        "unmarked_event_age_seconds_p50": round(ages[len(ages) // 2], 2),
        "unmarked_event_age_seconds_p99": round(ages[len(ages) * 99 // 100], 2),
        "unmarked_event_age_seconds_max": round(ages[-1], 2),
        "growth_within_a_process": _growth(seen),
        "first_footprint": asdict(footprints[0][0][1]) if footprints else None,
        "last_footprint": asdict(footprints[-1][-1][1]) if footprints else None,
        "watch_verify": watch.findings[-1:],
    }
