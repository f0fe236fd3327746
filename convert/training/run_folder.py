"""Reads and describes the folder of a training run: whose run it is, how far it has come, what is saved in it."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from convert.errors import ConvertError
from convert.training.checkpoint import Checkpoints, RunState, read_state
from convert.training.recipe import Recipe
from convert.training.recipe_file import load_recipe

BEST: Final = "best.keras"
RECIPE: Final = "recipe.json"
UNADJUSTED: Final = "unbalanced.keras"
"""Copy of the best model from before the logit adjustment."""


def open_run(recipe: Recipe, folder: Path) -> Checkpoints:
    """Return the checkpoints of the run in a folder. Nothing is written.

    Raises ConvertError where the folder belongs to another recipe, and where its state or a checkpoint that the state
    names cannot be used.
    """
    path = folder / RECIPE
    if path.exists():
        begun = load_recipe(path)
        names = [field.name for field in fields(Recipe) if getattr(begun, field.name) != getattr(recipe, field.name)]
        if names:
            msg = f"run folder {folder} belongs to another recipe, of another {', '.join(names)} ({path}): "
            raise ConvertError(msg + "give another --run, or the recipe with which it was begun")
    checkpoints = Checkpoints(folder)
    checkpoints.require_files([stage.epochs for stage in recipe.stages])
    if checkpoints.state.stage == len(recipe.stages) and not (folder / BEST).is_file():
        msg = f"run folder {folder} has trained all epochs, but {folder / BEST} is missing: give another --run"
        raise ConvertError(msg)
    return checkpoints


def is_finished(state: RunState, recipe: Recipe) -> bool:
    """Return whether a run has nothing left to do."""
    return state.stage == len(recipe.stages) and (state.rebalanced is not None or not recipe.rebalance)


def place_of(state: RunState, recipe: Recipe) -> str | None:
    """Return how far a run is saved, as in "batch 40 of epoch 2 of 3, stage 1 of 2"; None where nothing is saved."""
    stages = recipe.stages
    if state.batch:
        epoch = f"batch {state.batch} of epoch {state.epoch + 1} of {stages[state.stage].epochs}"
        return f"{epoch}, stage {state.stage + 1} of {len(stages)}"
    if state.stage == len(stages):
        return "the end of the last epoch"
    stage, epochs = (state.stage, state.epoch) if state.epoch else (state.stage - 1, stages[state.stage - 1].epochs)
    if stage < 0:
        return None
    return f"the end of epoch {epochs} of {stages[stage].epochs}, stage {stage + 1} of {len(stages)}"


def last_words(recipe: Recipe, folder: Path) -> str:
    """Return what is saved of an interrupted run, and from where the same command resumes it.

    Raises ConvertError as `open_run` does.
    """
    state = open_run(recipe, folder).state
    if is_finished(state, recipe):
        return f"the run in {folder} is finished, and nothing of it is lost"
    place = place_of(state, recipe)
    if place is None:
        return "nothing is saved yet, so the same command starts from the beginning"
    return f"saved in {folder} up to {place}; the same command resumes from there"


def best_model(folder: Path) -> Path:
    """Return the file of the best model in a run's folder. Raises ConvertError where there is none yet."""
    path = folder / BEST
    if path.is_file():
        return path
    if not folder.is_dir():
        msg = f"run folder {folder} does not exist: give the --run of a training, such as runs/normal"
        raise ConvertError(msg)
    recipe = recipe_in(folder)
    if recipe is None:
        msg = f"{folder} is not the folder of a training run: it has neither {BEST} nor {RECIPE}"
        raise ConvertError(msg)
    saved = place_of(read_state(folder), recipe)
    msg = (
        f"run folder {folder} has no best model yet, because no epoch of the last stage is done "
        f"({f'it is saved up to {saved}' if saved else 'nothing is saved yet'}): "
        "give its `train` command again until an epoch of the last stage is done"
    )
    raise ConvertError(msg)


def unfinished_warning(folder: Path) -> str | None:
    """Return a sentence where the best model in a run's folder is that of an unfinished run, else None."""
    recipe = recipe_in(folder)
    if recipe is None:
        return None
    state = read_state(folder)
    if is_finished(state, recipe):
        return None
    missing = ", without the adjustment of its logits towards rare labels" if recipe.rebalance else ""
    return (
        f"warning: the run in {folder} is not finished (saved up to {place_of(state, recipe)} of recipe "
        f"{recipe.name}): its best model so far is used{missing}"
    )


def recipe_in(folder: Path) -> Recipe | None:
    """Return the recipe of the run in a folder, None where there is no run."""
    path = folder / RECIPE
    return load_recipe(path) if path.is_file() else None
