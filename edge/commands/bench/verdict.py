"""Judges a run: whether its frames keep the latency budget, with how many further faces, and what to do where not."""

import math
from collections.abc import Sequence
from typing import Final

from edge.commands.bench.report import Run, Verdict
from edge.config.schema import Config
from edge.latency.budget import SLOW_SHARE

_ONE_FACE: Final = (0.9, 1.1)
"""Mean number of faces a frame that counts as one: a face is lost in single frames."""
_SMALL: Final = "small"


def judge(run: Run, config: Config) -> Verdict:
    """Return the verdict on a run that was measured with `config`."""
    budget_ms, p99_ms = config.budget.latency_ms, run.end_to_end.p99_ms
    keeps = p99_ms <= budget_ms
    further = further_faces(run, budget_ms, config.model.max_faces) if keeps else 0
    if not keeps:
        end = f"does not keep the budget of {budget_ms:g} ms: {_remedies(run, config)}"
    elif p99_ms >= SLOW_SHARE * budget_ms:
        end = (
            f"keeps the budget of {budget_ms:g} ms, but from {SLOW_SHARE * budget_ms:g} ms on the sensor does less "
            f"work per frame: {_remedies(run, config)}"
        )
    else:
        end = f"keeps the budget of {budget_ms:g} ms{_room(run, further, config.model.max_faces)}"
    sentence = f"{_faces(run)}: {run.fps:.3g} frames a second, 99 % within {_rounded_up(p99_ms)} ms: {end}"
    return Verdict(budget_ms=budget_ms, p99_ms=p99_ms, keeps_budget=keeps, further_faces=further, sentence=sentence)


def further_faces(run: Run, budget_ms: float, max_faces: int) -> int | None:
    """Return how many more faces a frame has time for; None where the run showed no face, or nothing of its stages.

    Each costs at most one run of the network and the detection of one face. For the first stands `floor`, for the
    second the whole detection divided by the faces, though a part of it does not grow with them: the number is rather
    too small. Of both the 95th percentile counts, and the sensor does less work from SLOW_SHARE of the budget on. Not
    more than `max_faces` are classified in a frame.
    """
    detect = run.stages.get("detect")
    if not run.frames_with_face or detect is None:
        return None
    faces = max(1.0, run.faces_per_frame)
    each_ms = run.floor.p95_ms + detect.p95_ms / faces
    room_ms = SLOW_SHARE * budget_ms - run.end_to_end.p99_ms
    return max(0, min(math.floor(room_ms / max(each_ms, 1e-3)), max_faces - round(faces)))


def _faces(run: Run) -> str:
    if not run.frames_with_face:
        return "no face in view"
    if _ONE_FACE[0] <= run.faces_per_frame <= _ONE_FACE[1]:
        return "one face"
    return f"{run.faces_per_frame:.1f} faces a frame"


def _room(run: Run, further: int | None, max_faces: int) -> str:
    if further is None:
        return "; measure again with a face in view to learn how many faces it has room for"
    if further and further + round(max(1.0, run.faces_per_frame)) >= max_faces:
        return f", with room for the {max_faces} faces of model.max_faces"
    return f", with room for {further or 'no'} more face{'s' * (further != 1)}"


def _remedies(run: Run, config: Config) -> str:
    """Return what makes frames quicker, for the stage that takes most of them first."""
    spent = {name: stage.p99_ms for name, stage in run.stages.items()}
    remedies: dict[str, str] = {
        "classify": f'set model.name to "{_SMALL}"' if config.model.name != _SMALL else "set model.max_faces lower",
        "detect": f"set detector.search_width_px below {config.detector.search_width_px}, or detector.min_face above "
        f"{config.detector.min_face:g}",
    }
    ordered: Sequence[str] = sorted(remedies, key=lambda name: -spent.get(name, 0.0))
    needed = _rounded_up(run.end_to_end.p99_ms / SLOW_SHARE)
    return f"{', or '.join(remedies[name] for name in ordered)}, or allow it: budget.latency_ms = {needed}"


def _rounded_up(ms: float) -> str:
    """Return milliseconds to two digits, and never less than they are."""
    unit = 10.0 ** (math.floor(math.log10(max(ms, 0.01))) - 1)
    return f"{math.ceil(ms / unit - 1e-9) * unit:g}"
