"""Formats a grid search as text for the terminal and as JSON data."""

from collections.abc import Iterable
from typing import Any, Final

from convert.event_tuning.grid_search import (
    KINDS,
    RATES,
    TOLERANCE,
    GridSearch,
    eligible,
    mean_delay,
    mean_f1,
    near_best,
    score_setting,
)
from convert.event_tuning.ground_truth import EventScore
from convert.event_tuning.replay import RecordedTrack, every_reading, prediction_accuracy, scheduled
from edge.config.schema import EventsConfig

_HEAD: Final = "changes  precision  recall    F1   delay  p95    false/min  unknown"


def compared_settings(result: GridSearch) -> dict[str, EventsConfig]:
    """Return the settings that the text compares, by description."""
    chosen = result.chosen
    return {
        "no rules": EventsConfig(smoothing_seconds=0, dwell_seconds=0, margin=0),
        "smoothing alone": EventsConfig(smoothing_seconds=chosen.smoothing_seconds, dwell_seconds=0, margin=0),
        "dwell and margin alone": EventsConfig(
            smoothing_seconds=0, dwell_seconds=chosen.dwell_seconds, margin=chosen.margin
        ),
        "the defaults": EventsConfig(),
        "chosen here": chosen,
    }


def _three_values(setting: EventsConfig) -> str:
    return f"{setting.smoothing_seconds:.2f} {setting.dwell_seconds:.1f} {setting.margin:.1f}"


def _row(name: str, score: EventScore) -> str:
    return (
        f"{name:36s}  {score.changes:7d}  {100 * score.precision:8.1f} %  {100 * score.recall:4.1f} %  "
        f"{100 * score.f1:4.1f}  {score.delay(0.5):4.2f} s  {score.delay(0.95):4.2f} s  "
        f"{score.false_per_minute:8.2f}  {score.unknown:7d}"
    )


def _comparison(result: GridSearch) -> Iterable[str]:
    for kind in KINDS:
        for _, rate in RATES:
            tracks = result.recordings[kind, rate]
            accuracy = 100 * prediction_accuracy(tracks, result.labels)
            yield f"\n{kind}, {rate:g} frames per second; single predictions correct: {accuracy:.1f} %"
            yield f"{'':36s}  {_HEAD}"
            for name, setting in compared_settings(result).items():
                score = score_setting(tracks, result.labels, setting, result.unknown_below)
                yield _row(f"{name:22s}  {_three_values(setting)}", score)
            on_schedule = [scheduled(track, result.labels, result.chosen, result.unknown_below) for track in tracks]
            score = score_setting(on_schedule, result.labels, result.chosen, result.unknown_below)
            yield _row(f"{'chosen, on schedule':22s}  {_three_values(result.chosen)}", score)
            score = score_setting(every_reading(tracks), result.labels, result.chosen, result.unknown_below)
            yield _row(f"{'every reading counts':22s}  {_three_values(result.chosen)}", score)


def _sensitivity(result: GridSearch) -> Iterable[str]:
    chosen, kept = result.chosen, eligible(result.scores)
    yield "\naround the choice, faces, mean of 25 and 12.5 frames per second: F1, median delay, p95 delay"

    def near(smoothing: float | None = None, dwell: float | None = None, margin: float | None = None) -> EventsConfig:
        return EventsConfig(
            smoothing_seconds=chosen.smoothing_seconds if smoothing is None else smoothing,
            dwell_seconds=chosen.dwell_seconds if dwell is None else dwell,
            margin=chosen.margin if margin is None else margin,
        )

    def figures(setting: EventsConfig) -> str:
        mark = "" if setting in kept else "  (not eligible)"
        scores = result.scores[setting]
        return f"{100 * mean_f1(scores):5.1f}  {mean_delay(scores, 0.5):.2f} s  {mean_delay(scores, 0.95):.2f} s{mark}"

    for smoothing in result.grid.smoothings:
        yield f"smoothing {smoothing:4.2f}  {figures(near(smoothing=smoothing))}"
    for dwell in result.grid.dwells:
        yield f"dwell     {dwell:4.1f}  {figures(near(dwell=dwell))}"
    for margin in result.grid.margins:
        yield f"margin    {margin:4.1f}  {figures(near(margin=margin))}"
    best = near_best(result.scores)
    yield (
        f"best F1 {100 * mean_f1(result.scores[best[0]]):.1f} ({_three_values(best[0])}) of {len(kept)} eligible "
        f"settings, {len(best)} within {100 * TOLERANCE:.0f} point"
    )


def _by_name(result: GridSearch, kind: str) -> Iterable[str]:
    yield f"\n{kind} at 12.5 frames per second, chosen setting\n{'':36s}  {_HEAD}"
    groups: dict[str, list[RecordedTrack]] = {}
    for track in result.recordings[kind, 12.5]:
        groups.setdefault(track.name, []).append(track)
    for name, tracks in groups.items():
        yield _row(name, score_setting(tracks, result.labels, result.chosen, result.unknown_below))
        if kind == "hard":
            score = score_setting(every_reading(tracks), result.labels, result.chosen, result.unknown_below)
            yield _row(f"{name}, every reading counts", score)
            read = sum(int(track.read.sum()) for track in tracks)
            seen = sum(int(track.classified.sum()) for track in tracks)
            yield f"{name}: {100 * read / seen:.0f} % of the readings count"


def to_text(result: GridSearch) -> str:
    """Return the result as text: settings compared, the neighbours of the choice, scores by sequence."""
    chosen = result.chosen
    lines = [
        f"model {result.model}; settings are smoothing s, dwell s, margin; chosen: "
        f"smoothing_seconds = {chosen.smoothing_seconds:g}, dwell_seconds = {chosen.dwell_seconds:g}, "
        f"margin = {chosen.margin:g}",
        *_comparison(result),
        *_sensitivity(result),
    ]
    for kind in KINDS:
        lines += _by_name(result, kind)
    return "\n".join(lines) + "\n"


def _score_data(score: EventScore) -> dict[str, Any]:
    return {
        "changes": score.changes,
        "right": score.correct,
        "false": score.false,
        "unknown": score.unknown,
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "f1": round(score.f1, 4),
        "delay_median_seconds": round(score.delay(0.5), 3) if score.delays else None,
        "delay_p95_seconds": round(score.delay(0.95), 3) if score.delays else None,
        "false_per_minute": round(score.false_per_minute, 3),
        "minutes": round(score.seconds / 60, 2),
    }


def grid_data(result: GridSearch) -> dict[str, Any]:
    """Return all scores of the grid, with the choice, as data for JSON."""

    def values(setting: EventsConfig) -> dict[str, float]:
        return {
            "smoothing_seconds": setting.smoothing_seconds,
            "dwell_seconds": setting.dwell_seconds,
            "margin": setting.margin,
        }

    return {
        "model": result.model,
        "chosen": values(result.chosen),
        "grid": [
            {**values(setting), "kind": kind, "fps": rate, **_score_data(score)}
            for setting, scores in result.scores.items()
            for (kind, rate), score in scores.items()
        ],
    }
