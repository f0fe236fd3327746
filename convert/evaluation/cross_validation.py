"""Pools the predictions of k runs, each for the fold of Training that it was not trained on."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.evaluation.results import FERPLUS, RuntimeResult
from convert.metrics import score
from convert.training.folds import HeldOut, read_held_out
from convert.training.recipe import Recipe
from convert.training.run_folder import RECIPE, recipe_in


def pool_folds(folders: Sequence[Path]) -> RuntimeResult:
    """Return the scores over all faces of Training, each judged by the run that has not seen it.

    The intervals take the faces as independent; that the k networks have most of their faces in common is not in them.
    Raises ConvertError where the runs are not all folds of one recipe.
    """
    parts = {folder: read_held_out(folder) for folder in folders}
    first_folder, first = next(iter(parts.items()))
    count = first.fold.count
    numbers = sorted(part.fold.number for part in parts.values())
    for folder, part in parts.items():
        if part.fold.count != count or _unnamed(folder) != _unnamed(first_folder):
            msg = (
                f"{folder} (fold {part.fold}) is of another recipe or division than {first_folder} (fold {first.fold})"
            )
            raise ConvertError(msg)
    if numbers != list(range(1, count + 1)):
        given = ", ".join(map(str, numbers))
        msg = f"--held-out has the folds {given} of {count}: give the run of each fold once"
        raise ConvertError(msg)
    return _scored(list(parts.values()), count)


def _unnamed(folder: Path) -> Recipe:
    """Return the recipe of a run without its name, which has the fold in it. Raises ConvertError for no run."""
    recipe = recipe_in(folder)
    if recipe is None:
        msg = f"{folder} has no {RECIPE}: give the folder of a finished `train --fold`"
        raise ConvertError(msg)
    return replace(recipe, name="fold")


def _scored(parts: Sequence[HeldOut], count: int) -> RuntimeResult:
    labels = np.concatenate([part.labels for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    return RuntimeResult(FERPLUS, f"float32, {count} folds", score(labels, probabilities))


def pooled_data(result: RuntimeResult) -> dict[str, Any]:
    """Return pooled scores as data for JSON."""
    return {"schema": 1, "labels": LABELS, "results": [{"split": "Training, held out", **asdict(result)}]}
