"""Loads FER2013 faces with FER+ votes as arrays, and selects the rows that may be trained on or counted."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError

LABELS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Order of the outputs of every model trained here. The manifest carries it, so `edge` does not hard-code it."""

FER2013_CODES: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Label of each FER2013 code."""

FER2013_TO_LABEL: Final = tuple(LABELS.index(label) for label in FER2013_CODES)
"""Index into `LABELS` for each FER2013 code."""

FERPLUS_COLUMNS: Final = (4, 5, 6, 1, 0, 3, 2)
"""Column of the FER+ vote table for each entry of `LABELS`.

The table's own order is neutral, happiness, surprise, sadness, anger, disgust, fear, contempt,
unknown, not-a-face (Barsoum et al., 2016).
"""

DATA_VARIABLE: Final = "EMOTION_EDGE_DATA"
FER2013_FILE: Final = "fer2013.npz"
DEFAULT_FOLDER: Final = Path("data")
_BESIDE_THE_CHECKOUT: Final = Path("../shared/data")
HOW_TO_MAKE: Final = (
    "`emotion-convert data --fer2013 fer2013.csv --ferplus fer2013new.csv` makes it from the published tables"
)
USAGE_CODES: Final = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}
FACE_SIDE_PX: Final = 48
VOTES_PER_IMAGE: Final = 10
_VOTE_COLUMNS: Final = 10

UNREADABLE_ARCHIVE: Final = (OSError, ValueError, KeyError, EOFError, BadZipFile)
"""Exceptions that numpy raises for a file that is not an archive, is empty or truncated, or lacks the array."""

_MIN_EMOTION_VOTES: Final = 3
"""Smallest number of votes for the leading emotion of a training image: an image with fewer mostly teaches
what people disagree on."""

COLUMN_TO_LABEL: Final = np.full(_VOTE_COLUMNS, -1, dtype=np.int64)
"""Index into `LABELS` for each column of the FER+ vote table; -1 where it has none."""
COLUMN_TO_LABEL[list(FERPLUS_COLUMNS)] = np.arange(len(LABELS))


@dataclass(frozen=True)
class Split:
    """One FER2013 split.

    `images`: uint8 (n, 48, 48). `votes`: float32 (n, 7), FER+ votes over `LABELS`, rows sum to 1.
    `majority`: int64 (n,), the label with the most votes; -1 where another answer has the most, or for a
    tie. `leader`: int64 (n,), the same, but the vote table's column order decides ties, as published
    comparisons do. `original`: int64 (n,), FER2013's own label. `agreement`: float32 (n,), share of all ten
    votes that the majority label has. `rows`: int64 (n,), row numbers in the file. `has_votes`: whether the file has
    FER+ votes; without them `votes` are equal shares, and there is no majority, leader or agreement.
    """

    name: str
    images: NDArray[np.uint8]
    votes: NDArray[np.float32]
    majority: NDArray[np.int64]
    leader: NDArray[np.int64]
    original: NDArray[np.int64]
    agreement: NDArray[np.float32]
    rows: NDArray[np.int64]
    has_votes: bool = True

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def take(self, keep: NDArray[Any]) -> "Split":
        """Return the rows that a boolean mask or an index array selects."""
        return Split(
            self.name,
            self.images[keep],
            self.votes[keep],
            self.majority[keep],
            self.leader[keep],
            self.original[keep],
            self.agreement[keep],
            self.rows[keep],
            self.has_votes,
        )


def data_folder(given: Path | None = None) -> Path:
    """Return the folder that holds `fer2013.npz` and, for training, the ImageNet weights.

    It is `given`, else `$EMOTION_EDGE_DATA/data`, else `data` in the current folder, else `../shared/data`, the place
    beside a checkout. Raises ConvertError, with how to make the file, where there is none.
    """
    variable = os.environ.get(DATA_VARIABLE)
    if given is not None:
        places, asked = [given], f"--data {given}"
    elif variable:
        places, asked = [Path(variable) / "data"], f"{Path(variable) / 'data'} (of ${DATA_VARIABLE})"
    else:
        places, asked = [DEFAULT_FOLDER, _BESIDE_THE_CHECKOUT], f"the folder {DEFAULT_FOLDER}"
    for folder in places:
        if (folder / FER2013_FILE).is_file():
            return folder
    msg = f"{asked} has no {FER2013_FILE}: {HOW_TO_MAKE}, and --data DIR names its folder"
    raise ConvertError(msg)


def load_split(folder: Path, name: str, *, need_votes: bool = True) -> Split:
    """Load all images of a split ("Training", "PublicTest", "PrivateTest"), duplicates included.

    Raises ConvertError for a file that is not the archive, and, with `need_votes`, for one without FER+ votes.
    """
    path = folder / FER2013_FILE
    try:
        with np.load(path) as file:
            images, emotion, usage = file["images"], file["emotion"], file["usage"]
            ballots = file["ferplus_votes"] if "ferplus_votes" in file.files else None
    except UNREADABLE_ARCHIVE as error:
        msg = f"{path} is not the FER2013 archive: {error}; {HOW_TO_MAKE}"
        raise ConvertError(msg) from error
    if ballots is None and need_votes:
        msg = f"{path} has no FER+ votes, which this command needs: {HOW_TO_MAKE}"
        raise ConvertError(msg)
    rows = np.flatnonzero(usage == USAGE_CODES[name])
    original = np.asarray(FER2013_TO_LABEL, dtype=np.int64)[emotion[rows]]
    if ballots is None:
        return _without_votes(name, images[rows], original, rows)
    ballots = ballots[rows].astype(np.float32)
    emotions = ballots[:, list(FERPLUS_COLUMNS)]
    totals = emotions.sum(axis=1, keepdims=True)
    votes = np.divide(emotions, totals, out=np.full_like(emotions, 1 / len(LABELS)), where=totals > 0)
    best = emotions.max(axis=1)
    # A majority must have more votes than each of the other nine answers, "unknown" and "not a face" included.
    unique = (ballots == best[:, None]).sum(axis=1) == 1
    wins = unique & (ballots.max(axis=1) == best)
    return Split(
        name=name,
        images=images[rows],
        votes=votes,
        majority=np.where(wins, emotions.argmax(axis=1), -1).astype(np.int64),
        leader=COLUMN_TO_LABEL[ballots.argmax(axis=1)],
        original=original,
        agreement=(best / VOTES_PER_IMAGE).astype(np.float32),
        rows=rows.astype(np.int64),
    )


def _without_votes(name: str, images: NDArray[np.uint8], original: NDArray[np.int64], rows: NDArray[Any]) -> Split:
    votes = np.full((len(rows), len(LABELS)), 1 / len(LABELS), dtype=np.float32)
    nobody = np.full(len(rows), -1, dtype=np.int64)
    no_agreement = np.zeros(len(rows), dtype=np.float32)
    return Split(name, images, votes, nobody, nobody, original, no_agreement, rows.astype(np.int64), has_votes=False)


def without_duplicates_of(split: Split, other: Split) -> Split:
    """Return `split` without the images that `other` contains, pixel for pixel."""
    known = {image.tobytes() for image in other.images}
    keep = np.array([image.tobytes() not in known for image in split.images], dtype=bool)
    return split.take(keep)


def clean_split(data: Path, name: str) -> tuple[Split, int]:
    """Return a test split without the images that Training also contains, and the number of those images."""
    whole = load_split(data, name)
    clean = without_duplicates_of(whole, load_split(data, "Training"))
    return clean, len(whole) - len(clean)


def training_rows(split: Split) -> Split:
    """Return the images to train on: at least three votes for the leading emotion, and not one constant grey.

    Without FER+ votes all that are not one constant grey.
    """
    ballots = split.agreement * VOTES_PER_IMAGE
    varied = split.images.reshape(len(split), -1).std(axis=1) > 0
    return split.take(varied & (ballots >= _MIN_EMOTION_VOTES) if split.has_votes else varied)


def with_majority(split: Split) -> Split:
    """Return the images with a majority for one of the seven emotions."""
    return split.take(split.majority >= 0)


def with_leader(split: Split) -> Split:
    """Return the images on which one of the seven emotions leads the votes: those that count for FER+ accuracy."""
    return split.take(split.leader >= 0)
