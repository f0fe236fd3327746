"""Reads the plan of a training elsewhere: which runs, by which recipe, and which of them teach which."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from convert.errors import ConvertError
from convert.training.named_recipes import find_recipe
from convert.training.recipe import Recipe


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan: its name, its recipe (of the same name), and the runs whose mean it learns from."""

    name: str
    recipe: Recipe
    teachers: tuple[str, ...] = ()


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One table of the plan's file."""

    name: str
    recipe: str
    teachers: list[str] = []
    teacher_share: float | None = None
    seed: int | None = None
    epochs_scale: float = 1.0
    batch_size: int | None = None
    side_px: int | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    runs: list[_Entry]


STUDENT_SHARE: Final = 0.7
"""Share of the teachers in the targets of `normal`: that of the recipe `small`. Others were not tried."""

_TEACHERS: Final = ["teacher-1", "teacher-2"]
FULL: Final = [
    {"name": _TEACHERS[0], "recipe": "teacher", "batch_size": 128, "seed": 1},
    {"name": _TEACHERS[1], "recipe": "teacher", "batch_size": 128, "seed": 2, "side_px": 160},
    {
        "name": "normal",
        "recipe": "normal",
        "batch_size": 256,
        "epochs_scale": 1.25,
        "teachers": _TEACHERS,
        "teacher_share": STUDENT_SHARE,
    },
    {"name": "small", "recipe": "small", "batch_size": 256, "epochs_scale": 1.4, "teachers": _TEACHERS},
]
"""Two teachers of different sizes, and both models that ship. Large batches: a GPU waits less for Python."""

SMOKE: Final = [
    *({"name": name, "recipe": "smoke", "seed": seed} for seed, name in enumerate(_TEACHERS, 1)),
    {"name": "normal", "recipe": "smoke", "teachers": _TEACHERS, "teacher_share": STUDENT_SHARE},
    {"name": "small", "recipe": "smoke", "teachers": _TEACHERS[:1], "teacher_share": STUDENT_SHARE},
]
"""The same path in tiny steps, with faces enough for a few batches."""


def read_plan(path: Path) -> list[PlannedRun]:
    """Read the plan's TOML file. Raises ConvertError where it cannot be used."""
    try:
        return plan_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        msg = f"plan {path} cannot be read: {error.strerror}"
        raise ConvertError(msg) from error
    except (ValueError, ConvertError) as error:
        msg = f"plan {path}: {error}"
        raise ConvertError(msg) from error


def plan_of(raw: dict[str, Any]) -> list[PlannedRun]:
    """Return the runs of a plan's content. Raises ConvertError where it cannot be used."""
    try:
        entries = msgspec.convert(raw, _File).runs
        runs = [_run(entry) for entry in entries]
    except (msgspec.ValidationError, ValueError) as error:
        raise ConvertError(str(error)) from error
    known: list[str] = []
    for run in runs:
        _check(run, known)
        known.append(run.name)
    if not runs:
        msg = "runs = [] must name at least one run"
        raise ConvertError(msg)
    return runs


def _run(entry: _Entry) -> PlannedRun:
    recipe = replace(find_recipe(entry.recipe), name=entry.name)
    if entry.epochs_scale != 1:
        recipe = recipe.scaled(entry.epochs_scale)
    if entry.batch_size is not None:
        recipe = recipe.in_batches_of(entry.batch_size)
    if entry.side_px is not None:
        recipe = replace(recipe, stages=tuple(replace(stage, side_px=entry.side_px) for stage in recipe.stages))
    if entry.seed is not None:
        recipe = replace(recipe, seed=entry.seed)
    if entry.teacher_share is not None:
        recipe = replace(recipe, teacher_share=entry.teacher_share)
    return PlannedRun(entry.name, recipe, tuple(entry.teachers))


def _check(run: PlannedRun, before: Sequence[str]) -> None:
    if run.name in before:
        msg = f"the run {run.name!r} is there twice"
        raise ConvertError(msg)
    if not run.name.replace("-", "").replace("_", "").isalnum() or not run.name.isascii():
        msg = f"name = {run.name!r} must be of letters, digits, '-' and '_', because files are named after it"
        raise ConvertError(msg)
    for teacher in run.teachers:
        if teacher not in before:
            msg = f"run {run.name!r} learns from {teacher!r}, which must be a run before it"
            raise ConvertError(msg)
    if bool(run.teachers) != (run.recipe.teacher_share > 0):
        problem = "names teachers, so teacher_share must be above 0" if run.teachers else "must name its teachers"
        msg = f"run {run.name!r} has teacher_share {run.recipe.teacher_share:g} and {problem}"
        raise ConvertError(msg)
