"""The study for people, and as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from convert.event_tuning.grid_search import (
    DWELLS,
    FLAT,
    KINDS,
    MARGINS,
    RATES,
    SMOOTHINGS,
    Scores,
    Study,
    allowed,
    delay,
    f1,
    near_best,
    score,
)
from convert.event_tuning.ground_truth import Score
from convert.event_tuning.replay import Followed, in_turns, read_right
from edge.config import EventsConfig

_HEAD: Final = "changes  precision  recall    F1   delay  p95    false/min  unknown"


def settings_of(study: Study) -> dict[str, EventsConfig]:
    """Return the settings that the table compares, by what they show."""
    chosen = study.chosen
    return {
        "every reading counts": EventsConfig(smoothing_seconds=0, dwell_seconds=0, margin=0),
        "smoothing alone": EventsConfig(smoothing_seconds=chosen.smoothing_seconds, dwell_seconds=0, margin=0),
        "dwell and margin alone": EventsConfig(
            smoothing_seconds=0, dwell_seconds=chosen.dwell_seconds, margin=chosen.margin
        ),
        "the defaults": EventsConfig(),
        "chosen here": chosen,
    }


def _three(setting: EventsConfig) -> str:
    return f"{setting.smoothing_seconds:.2f} {setting.dwell_seconds:.1f} {setting.margin:.1f}"


def _row(name: str, one: Score) -> str:
    return (
        f"{name:36s}  {one.changes:7d}  {100 * one.precision:8.1f} %  {100 * one.recall:4.1f} %  "
        f"{100 * one.f1:4.1f}  {one.delay(0.5):4.2f} s  {one.delay(0.95):4.2f} s  {one.false_per_minute:8.2f}  "
        f"{one.unknown:7d}"
    )


def _compared(study: Study) -> Iterable[str]:
    for kind in KINDS:
        for _, rate in RATES:
            followed = study.recorded[kind, rate]
            right = 100 * read_right(followed, study.labels)
            yield f"\n{kind}, {rate:g} frames a second; single readings right: {right:.1f} %"
            yield f"{'':36s}  {_HEAD}"
            for name, setting in settings_of(study).items():
                one = score(followed, study.labels, setting, study.unknown_below)
                yield _row(f"{name:22s}  {_three(setting)}", one)
            turns = [in_turns(face, study.labels, study.chosen, study.unknown_below) for face in followed]
            one = score(turns, study.labels, study.chosen, study.unknown_below)
            yield _row(f"{'... read in turns':22s}  {_three(study.chosen)}", one)


def _sensitivity(study: Study) -> Iterable[str]:
    chosen, good = study.chosen, allowed(study.grid)
    yield "\naround the choice, faces, mean of 25 and 12.5 frames a second: F1, median delay, p95 delay"

    def near(smoothing: float | None = None, dwell: float | None = None, margin: float | None = None) -> EventsConfig:
        return EventsConfig(
            smoothing_seconds=chosen.smoothing_seconds if smoothing is None else smoothing,
            dwell_seconds=chosen.dwell_seconds if dwell is None else dwell,
            margin=chosen.margin if margin is None else margin,
        )

    def show(setting: EventsConfig, grid: Mapping[EventsConfig, Scores]) -> str:
        mark = "" if grid is study.rival or setting in good else "  (breaks a promise)"
        scores = grid[setting]
        return f"{100 * f1(scores):5.1f}  {delay(scores, 0.5):.2f} s  {delay(scores, 0.95):.2f} s{mark}"

    for smoothing in SMOOTHINGS:
        setting = near(smoothing=smoothing)
        rival = f"   logarithms averaged: {show(setting, study.rival)}" if smoothing else ""
        yield f"smoothing {smoothing:4.2f}  {show(setting, study.grid)}{rival}"
    for dwell in DWELLS:
        yield f"dwell     {dwell:4.1f}  {show(near(dwell=dwell), study.grid)}"
    for margin in MARGINS:
        yield f"margin    {margin:4.1f}  {show(near(margin=margin), study.grid)}"
    best = near_best(study.grid)
    yield (
        f"best F1 {100 * f1(study.grid[best[0]]):.1f} ({_three(best[0])}) of {len(good)} settings allowed, "
        f"{len(best)} within {100 * FLAT:.0f} point"
    )
    for other in near_best(study.rival)[:1]:
        yield f"best with logarithms averaged {100 * f1(study.rival[other]):.1f} ({_three(other)})"


def _by_name(study: Study, kind: str) -> Iterable[str]:
    yield f"\n{kind} at 12.5 frames a second, chosen setting\n{'':36s}  {_HEAD}"
    groups: dict[str, list[Followed]] = {}
    for face in study.recorded[kind, 12.5]:
        groups.setdefault(face.name, []).append(face)
    for name, followed in groups.items():
        yield _row(name, score(followed, study.labels, study.chosen, study.unknown_below))


def to_table(study: Study) -> str:
    """Return the study as text: settings compared, the surroundings of the choice, where it is hard."""
    chosen = study.chosen
    lines = [
        f"model {study.model}; settings are smoothing s, dwell s, margin; chosen: "
        f"smoothing_seconds = {chosen.smoothing_seconds:g}, dwell_seconds = {chosen.dwell_seconds:g}, "
        f"margin = {chosen.margin:g}",
        *_compared(study),
        *_sensitivity(study),
    ]
    for kind in KINDS:
        lines += _by_name(study, kind)
    return "\n".join(lines) + "\n"


def _figures(one: Score) -> dict[str, Any]:
    return {
        "changes": one.changes,
        "right": one.right,
        "false": one.false,
        "unknown": one.unknown,
        "precision": round(one.precision, 4),
        "recall": round(one.recall, 4),
        "f1": round(one.f1, 4),
        "delay_median_seconds": round(one.delay(0.5), 3) if one.delays else None,
        "delay_p95_seconds": round(one.delay(0.95), 3) if one.delays else None,
        "false_per_minute": round(one.false_per_minute, 3),
        "minutes": round(one.seconds / 60, 2),
    }


def to_json(study: Study) -> dict[str, Any]:
    """Return the whole grid as plain data, with the choice."""

    def three(setting: EventsConfig) -> dict[str, float]:
        return {
            "smoothing_seconds": setting.smoothing_seconds,
            "dwell_seconds": setting.dwell_seconds,
            "margin": setting.margin,
        }

    def rows(grid: Mapping[EventsConfig, Scores]) -> list[dict[str, Any]]:
        return [
            {**three(setting), "kind": kind, "fps": rate, **_figures(one)}
            for setting, scores in grid.items()
            for (kind, rate), one in scores.items()
        ]

    return {
        "model": study.model,
        "chosen": three(study.chosen),
        "grid": rows(study.grid),
        "logarithms_averaged": rows(study.rival),
    }
