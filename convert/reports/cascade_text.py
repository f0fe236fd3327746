"""Writes what `emotion-convert cascade` measured: tables and sentences for the terminal, and data for JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import cv2

from convert.data.labelled_folder import printable
from convert.evaluation.cascade_trial import (
    EQUAL_PHANTOMS,
    EQUAL_RECALL,
    Comparison,
    Tally,
    Trial,
    compare_phantoms,
    compare_recall,
    overall_recall,
    recall,
    verdict_of,
)
from convert.metrics import Interval
from edge.config.schema import DetectorConfig

_SHIPPED: Final = 2
"""Cascades at the beginning of a trial that are OpenCV's."""
_MANY_FACES: Final = 0.1
"""Share of frames with a verified face from which footage hardly is without faces: on footage of a shop and of people
far away the default shows 0.02 at most."""


def trial_text(trial: Trial) -> str:
    """Return the trial as text: how it was measured, the tables, the warnings and the verdict on each given cascade."""
    return "\n".join([*_method(trial), "", *_table(_overview(trial)), "", *_table(_by_condition(trial)), *_end(trial)])


def _method(trial: Trial) -> Iterator[str]:
    config = DetectorConfig()
    yield (
        f"{_counted(len(trial.faces.images), 'face')} of {trial.faces.origin}, each in "
        f"{len(trial.conditions)} frames of 320x240 pixels, in a blurred surround"
    )
    blocks = len(trial.block_frames)
    yield (
        f"phantoms are counted on {_counted(trial.footage_frames, 'frame')} of the footage, in "
        f"{_counted(blocks, 'stretch', 'stretches')}"
        if blocks
        else "phantoms are counted beside the faces in the same frames: these show little else, so give --footage"
    )
    yield (
        f"search as on the device: scale {config.scale_factor:g}, {config.neighbours} neighbours, "
        f"reduced to {config.search_width_px} pixels; verified: by OpenCV's second cascade (alt) too; "
        f"OpenCV {cv2.__version__}"
    )


def _overview(trial: Trial) -> list[list[str]]:
    rows = [["cascade", "found", "95 %", "verified", "phantoms", "verified", "time", "stages", "features", "kind"]]
    for cascade, tally in zip(trial.cascades, trial.tallies, strict=True):
        found, interval = overall_recall(tally.found)
        verified, _ = overall_recall(tally.verified)
        plain, confirmed = _phantoms(trial, tally)
        rows.append(
            [
                printable(cascade.name),
                _per_cent(found),
                _limits(interval),
                _per_cent(verified),
                f"{plain:.3f}",
                f"{confirmed:.3f}",
                f"{_time_ratio(trial, tally):.2f}",
                _count(cascade.stages),
                _count(cascade.features),
                f"{cascade.kind} {cascade.window[0]}x{cascade.window[1]}",
            ]
        )
    return rows


def _by_condition(trial: Trial) -> list[list[str]]:
    rows = [["found by size and roll", *(condition.name for condition in trial.conditions)]]
    for cascade, tally in zip(trial.cascades, trial.tallies, strict=True):
        shares = [recall(tally.found[condition]) for condition in trial.conditions]
        rows.append([printable(cascade.name), *(f"{_per_cent(share)} ({_limits(limits)})" for share, limits in shares)])
    return rows


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _end(trial: Trial) -> Iterator[str]:
    yield "found, verified: per cent of the frames with faces; phantoms: boxes without a face, for each frame"
    yield "time: processor time of a frame, as a ratio to that of OpenCV's default in this run"
    for sentence in warnings_of(trial):
        yield f"warning: {sentence}"
    for note in trial.faces.notes:
        yield f"note: {note}"
    for at in range(_SHIPPED, len(trial.cascades)):
        yield ""
        yield from _verdict_lines(trial, at)


def _verdict_lines(trial: Trial, at: int) -> Iterator[str]:
    found, phantoms = compare_recall(trial, at), compare_phantoms(trial, at)
    name = printable(trial.cascades[at].name)
    verdict = verdict_of(found.verdict, phantoms.verdict if phantoms else None)
    yield {
        "better": f"{name} is better than OpenCV's default",
        "worse": f"{name} is worse than OpenCV's default",
        "equal": f"{name} is as good as OpenCV's default",
        "mixed": f"{name} is better than OpenCV's default in one respect and worse in the other",
        "undecided": f"{name} may be better or worse than OpenCV's default: more faces or footage would tell",
    }[verdict] + ("" if phantoms else " (judged by the faces found alone: phantoms need --footage)")
    yield (
        f"  faces found: {100 * found.difference:+.1f} points ({_points(found)}), {found.verdict}; "
        f"equal is within {100 * EQUAL_RECALL:g} points"
    )
    if phantoms:
        low, high = phantoms.interval
        yield (
            f"  phantoms a frame: {phantoms.difference:+.3f} ({low:+.3f} to {high:+.3f}), {phantoms.verdict}; "
            f"equal is within {EQUAL_PHANTOMS:g}"
        )
    yield f"  time a frame: {_time_ratio(trial, trial.tallies[at]):.2f} of the default's"


def warnings_of(trial: Trial) -> list[str]:
    """Return sentences on what makes the figures weak."""
    frames = trial.footage_frames
    if frames and trial.shown > _MANY_FACES * frames:
        return [
            f"OpenCV's cascades find and verify a face in {trial.shown} of {frames} frames of the footage: if it shows "
            "faces, they are counted as phantoms here, and the cascade that finds more looks worse"
        ]
    return []


def trial_data(trial: Trial) -> dict[str, Any]:
    """Return the trial as plain data for JSON. Shares are from 0 to 1, intervals are those of 95 %."""
    return {
        "opencv": cv2.__version__,
        "faces": len(trial.faces.images),
        "faces_origin": trial.faces.origin,
        "footage_frames": trial.footage_frames,
        "footage_stretches": len(trial.block_frames),
        "phantoms_counted_on": "footage" if trial.block_frames else "frames with faces, beside the face",
        "cascades": [_cascade_data(trial, at) for at in range(len(trial.cascades))],
        "warnings": warnings_of(trial),
        "notes": list(trial.faces.notes),
    }


def _cascade_data(trial: Trial, at: int) -> dict[str, Any]:
    cascade, tally = trial.cascades[at], trial.tallies[at]
    found, interval = overall_recall(tally.found)
    verified, verified_interval = overall_recall(tally.verified)
    plain, confirmed = _phantoms(trial, tally)
    data = {
        "name": printable(cascade.name),
        "file": printable(cascade.path),
        "type": cascade.kind,
        "window": list(cascade.window),
        "stages": cascade.stages,
        "features": cascade.features,
        "recall": found,
        "recall_interval": list(interval),
        "verified_recall": verified,
        "verified_recall_interval": list(verified_interval),
        "conditions": [
            {
                "side_px": condition.side_px,
                "roll_degrees": condition.roll_degrees,
                "recall": recall(tally.found[condition])[0],
                "recall_interval": list(recall(tally.found[condition])[1]),
                "verified_recall": recall(tally.verified[condition])[0],
            }
            for condition in trial.conditions
        ],
        "phantoms_per_frame": plain,
        "verified_phantoms_per_frame": confirmed,
        "time_ratio": _time_ratio(trial, tally),
    }
    if at < _SHIPPED:
        return data
    recalled, phantoms = compare_recall(trial, at), compare_phantoms(trial, at)
    verdict = verdict_of(recalled.verdict, phantoms.verdict if phantoms else None)
    comparisons = {"recall": recalled, "phantoms_per_frame": phantoms}
    against = {key: _comparison_data(one) for key, one in comparisons.items() if one is not None}
    return {**data, "verdict": verdict, "against_default": against}


def _comparison_data(one: Comparison) -> dict[str, Any]:
    return {"difference": one.difference, "interval": list(one.interval), "verdict": one.verdict}


def _phantoms(trial: Trial, tally: Tally) -> tuple[float, float]:
    """Return phantoms a frame, and verified ones: of the footage, else beside the faces."""
    if trial.block_frames:
        frames = trial.footage_frames
        return sum(tally.phantoms.values()) / frames, sum(tally.verified_phantoms.values()) / frames
    frames = len(trial.faces.images) * len(trial.conditions)
    return tally.near_faces / frames, tally.near_faces_verified / frames


def _time_ratio(trial: Trial, tally: Tally) -> float:
    return tally.seconds / trial.tallies[0].seconds


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _limits(interval: Interval) -> str:
    return "{:.1f}-{:.1f}".format(*(100 * limit for limit in interval))


def _points(one: Comparison) -> str:
    low, high = one.interval
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
