"""Holds out a fold of Training, and keeps a run's predictions for it: for labels of which the test splits have few."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import UNREADABLE_ARCHIVE, Split
from convert.errors import ConvertError, reason_of
from convert.files import replace_file
from convert.training.recipe import Recipe

HELD_OUT: Final = "held_out.npz"
MAX_FOLDS: Final = 20
"""Each fold is a training of its own."""
_FOLD: Final = re.compile(r"([1-9]\d?)/([1-9]\d?)", re.ASCII)


@dataclass(frozen=True)
class Fold:
    """Fold number `number`, from 1, of `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        """Return it as it is given to `--fold`."""
        return f"{self.number}/{self.count}"

    def named(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the fold in its name, so that no other run resumes from the folder of this one."""
        return replace(recipe, name=f"{recipe.name}-fold-{self.number}-of-{self.count}")

    def holds(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which images uint8 (n, 48, 48) belong to the fold, bool (n,).

        By a hash of the pixels: FER2013 has pictures several times, and the copies must not be on both sides.
        """
        hashes = [int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big") for image in images]
        return np.array([value % self.count == self.number - 1 for value in hashes], dtype=np.bool_)


def parse_fold(text: str) -> Fold:
    """Return the fold that a text such as "2/5" names. Raises ConvertError for another text."""
    found = _FOLD.fullmatch(text)
    if found is None or not (2 <= int(found[2]) <= MAX_FOLDS and int(found[1]) <= int(found[2])):  # noqa: PLR2004
        msg = (
            f"--fold {text!r} must be the number of a fold and the number of folds, from 1/2 to {MAX_FOLDS}/{MAX_FOLDS}"
        )
        raise ConvertError(msg)
    return Fold(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class HeldOut:
    """A run's predictions for the faces of its fold on which one of the labels leads the votes.

    `rows`: int64 (n,), row numbers in the data file. `labels`: int64 (n,). `probabilities`: float32 (n, 7).
    """

    fold: Fold
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write it into a run's folder, atomically. Raises OSError."""
        fold = np.array([self.fold.number, self.fold.count])
        replace_file(
            folder / HELD_OUT,
            lambda path: np.savez(
                path, fold=fold, rows=self.rows, labels=self.labels, probabilities=self.probabilities
            ),
        )


def read_held_out(folder: Path) -> HeldOut:
    """Read a run's predictions for its fold. Raises ConvertError where there are none."""
    path = folder / HELD_OUT
    try:
        with np.load(path) as file:
            number, count = (int(value) for value in file["fold"])
            return HeldOut(Fold(number, count), file["rows"], file["labels"], file["probabilities"])
    except UNREADABLE_ARCHIVE as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else reason_of(error)
        msg = f"{path} cannot be read ({reason}): give the folder of a finished `train --fold`"
        raise ConvertError(msg) from error


def held_out_faces(training: Split, fold: Fold) -> Split:
    """Return the faces of Training that count in a fold: those on which one of the labels leads."""
    return training.take(fold.holds(training.images) & (training.leader >= 0))
