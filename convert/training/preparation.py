"""Checks and reads what a training run needs, before TensorFlow is loaded, so that what is missing is named at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import FER2013_FILE, Split, load_split, training_rows, with_majority, without_duplicates_of
from convert.errors import ConvertError
from convert.files import require_writable_folder
from convert.training.checkpoint import Checkpoints
from convert.training.folds import Fold, held_out_faces
from convert.training.recipe import Recipe
from convert.training.run_folder import open_run

FACE_WEIGHTS_FILE: Final = "mobilenet_v1_1.0_faces_notop.weights.h5"
"""Weights of a face network, in the folder of the data, which `convert.training.face_network` writes."""


@dataclass(frozen=True)
class PreparedRun:
    """What a run needs.

    `labels`: int64 (n,), of the n validation faces. `weights`: file of the backbone's first weights; None for a run
    that resumes, and for one that begins with the float model `start`.
    `teachers`: files of the float models that the recipe learns from, if it learns from any.
    `fold`, `held_out`: the fold of Training that is not trained on, and its faces that count; None without a fold.
    """

    recipe: Recipe
    checkpoints: Checkpoints
    training: Split
    validation: Split
    labels: NDArray[np.int64]
    weights: Path | None
    teachers: tuple[Path, ...]
    fold: Fold | None = None
    held_out: Split | None = None
    start: Path | None = None


def prepare(  # noqa: PLR0913 - the options of a command
    recipe: Recipe,
    data: Path,
    folder: Path,
    teachers: Sequence[Path] = (),
    fold: Fold | None = None,
    start: Path | None = None,
) -> PreparedRun:
    """Read the state of the run in `folder` and the data set. Nothing is written.

    `fold`: leave these faces of Training out. `start`: float model to begin with. Raises ConvertError where recipe and
    teacher do not fit, the run folder is none or another recipe's, a file is missing or cannot be used, or there are
    fewer faces than a batch needs.
    """
    _check_teachers(recipe, teachers)
    require_writable_folder(folder, "--run")
    checkpoints = open_run(recipe, folder)
    begun = checkpoints.state.place != (0, 0, 0)
    if start is not None and not start.is_file():
        msg = f"--start {start} does not exist: give a float model of the recipe's network, such as models/normal.keras"
        raise ConvertError(msg)
    weights = None if begun or start else first_weights(data, recipe)
    need_votes = recipe.labels == "ferplus"
    everything = load_split(data, "Training", need_votes=need_votes)
    validation = without_duplicates_of(load_split(data, "PublicTest", need_votes=need_votes), everything)
    if need_votes:
        training, validation = training_rows(everything), with_majority(validation)
        labels = validation.majority
    else:
        training, labels = everything, validation.original
    held_out = None
    if fold is not None:
        if not need_votes:
            msg = f"recipe {recipe.name} is for FER2013's labels, and --fold counts by the votes of FER+"
            raise ConvertError(msg)
        held_out = held_out_faces(everything, fold)
        training = training.take(~fold.holds(training.images))
    if recipe.batch_size > len(training):
        msg = (
            f"batch_size = {recipe.batch_size} of recipe {recipe.name} must be at most {len(training)}, the number of "
        )
        raise ConvertError(msg + f"faces to train on in {data / FER2013_FILE}")
    if not len(validation):
        msg = f"{data / FER2013_FILE} has no face in PublicTest to validate on"
        raise ConvertError(msg)
    return PreparedRun(
        recipe, checkpoints, training, validation, labels, weights, tuple(teachers), fold, held_out, start
    )


def first_weights(data: Path, recipe: Recipe) -> Path:
    """Return the file of weights that a recipe starts from. Raises ConvertError where it does not exist."""
    if recipe.backbone == "mobilenet_v2":
        return imagenet_weights(data, recipe.alpha)
    path = data / FACE_WEIGHTS_FILE
    if not path.is_file():
        msg = (
            f"no weights for backbone 'mobilenet_v1' of recipe {recipe.name}: {path} does not exist; "
            "scripts/face-network-weights writes it"
        )
        raise ConvertError(msg)
    return path


def imagenet_weights(data: Path, alpha: float) -> Path:
    """Return the file of ImageNet weights for a width. Raises ConvertError where it does not exist."""
    path = data / f"mobilenet_v2_{alpha:g}_imagenet_notop.weights.h5".replace("_1_", "_1.0_")
    if not path.is_file():
        msg = (
            f"no ImageNet weights for alpha {alpha:g}: {path} does not exist; Keras downloads and writes them with "
            f'python -c "import keras; keras.applications.MobileNetV2((224, 224, 3), alpha={alpha:g}, '
            f"include_top=False).save_weights('{path}')\""
        )
        raise ConvertError(msg)
    return path


def _check_teachers(recipe: Recipe, paths: Sequence[Path]) -> None:
    if bool(paths) != (recipe.teacher_share > 0):
        problem = "has teacher_share 0: leave --teacher out" if paths else "learns from a teacher: give --teacher FILE"
        msg = f"recipe {recipe.name} {problem}"
        raise ConvertError(msg)
    for path in paths:
        if not path.exists():
            msg = f"teacher {path} does not exist: --teacher is a Keras model, such as models/normal.keras"
            raise ConvertError(msg)
