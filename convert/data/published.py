"""Checks arrays of FER2013 and FER+ against what was published, and writes them as the data file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import (
    COLUMN_TO_LABEL,
    FER2013_CODES,
    FER2013_FILE,
    FER2013_TO_LABEL,
    USAGE_CODES,
    VOTES_PER_IMAGE,
)
from convert.errors import ConvertError
from convert.files import replace_file

PUBLISHED_COUNTS: Final[Mapping[str, int]] = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}
"""Pictures of each split (Goodfellow et al. 2013)."""
FER2013_ADDRESS: Final = (
    "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
)
FERPLUS_ADDRESS: Final = "https://github.com/microsoft/FERPlus"
WHERE: Final = (
    f"FER2013 is published at {FER2013_ADDRESS} (fer2013.csv in fer2013.tar.gz, or icml_face_data.csv), "
    f"FER+ at {FERPLUS_ADDRESS} (fer2013new.csv)"
)
_SHA256: Final[Mapping[str, str]] = {
    "pixels": "c267d81af4fae7bced50ff1be0ce06f7d14fb05887ece2efe39e04c35f8558b1",
    "labels": "f794993487dfeee2db4ebcc894efaf41b3bbe6b8901490fc789a0768b54272fd",
    "splits": "65bf156bc07c62f9df3ed082b614f177e50628b7970dad999e8f4b1f2a91da52",
    "votes": "935d1852901cf134d0e733572c8b77d27a7ac81edabcffb2f4704e3bae535350",
}
"""SHA-256 of the arrays of `Faces`, in C order, as the published tables give them: `fer2013.csv` with MD5
f8428a1edbd21e88f42c73edd2a14f95, and `fer2013new.csv`."""
_FEWEST_FULL_BALLOTS: Final = 0.99
"""Share of pictures that must have ten votes: 35,886 of 35,887 have, one has nine."""
_LEAST_SAME_LABEL: Final = 0.5
"""Share of pictures on which the leading vote must be FER2013's label, else the rows of the two tables do not belong
together. It is 0.62; with shuffled rows 0.2."""


@dataclass(frozen=True)
class Faces:
    """The arrays of the data file, in the order of the rows.

    `images`: uint8 (n, 48, 48). `emotion`: uint8 (n,), FER2013's label: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad,
    5 surprise, 6 neutral. `usage`: uint8 (n,), 0 Training, 1 PublicTest, 2 PrivateTest. `votes`: uint8 (n, 10), of
    FER+: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face; None without.
    """

    images: NDArray[np.uint8]
    emotion: NDArray[np.uint8]
    usage: NDArray[np.uint8]
    votes: NDArray[np.uint8] | None = None


def check_counts(usage: NDArray[np.uint8], source: Path, counts: Mapping[str, int] = PUBLISHED_COUNTS) -> None:
    """Raise ConvertError, naming `source`, where a split has not the published number of pictures."""
    found = {name: int((usage == code).sum()) for name, code in USAGE_CODES.items()}
    if found != dict(counts):
        msg = (
            f"{source} has {_listed(found)}, but FER2013 has {_listed(counts)}: "
            "it is not complete, or another selection of the pictures"
        )
        raise ConvertError(msg)


def check_votes(votes: NDArray[np.uint8], emotion: NDArray[np.uint8], source: Path) -> str:
    """Return a sentence on the votes (n, 10). Raises ConvertError, naming `source`, where they cannot be FER+'s."""
    totals = votes.sum(axis=1, dtype=np.int64)
    full = totals == VOTES_PER_IMAGE
    wrong = np.flatnonzero(totals > VOTES_PER_IMAGE)
    if wrong.size or full.mean() < _FEWEST_FULL_BALLOTS:
        row = int(wrong[0] if wrong.size else np.flatnonzero(~full)[0])
        msg = (
            f"{source} is not FER+'s table of votes: row {row} has {totals[row]} votes, and only {int(full.sum()):,} "
            f"of {len(full):,} rows have {VOTES_PER_IMAGE}"
        )
        raise ConvertError(msg)
    leaders = COLUMN_TO_LABEL[votes.argmax(axis=1)]
    same = float((leaders == np.asarray(FER2013_TO_LABEL)[emotion]).mean())
    if same < _LEAST_SAME_LABEL:
        msg = (
            f"the rows of {source} do not belong to these pictures: the leading vote is FER2013's label on only "
            f"{100 * same:.0f} % of them, where 62 % is right; both tables must be as published, in their own order"
        )
        raise ConvertError(msg)
    return (
        f"FER+: {int(full.sum()):,} of {len(full):,} pictures have {VOTES_PER_IMAGE} votes; the leading vote is "
        f"FER2013's label on {100 * same:.0f} %"
    )


def compare_with_published(faces: Faces) -> str:
    """Return a sentence on whether the arrays are those of the published tables, byte for byte."""
    arrays = {"pixels": faces.images, "labels": faces.emotion, "splits": faces.usage, "votes": faces.votes}
    differing = [
        name
        for name, array in arrays.items()
        if array is not None and hashlib.sha256(array.tobytes()).hexdigest() != _SHA256[name]
    ]
    if not differing:
        return "checksums: these are the published tables"
    return (
        f"warning: the {', '.join(differing)} are not those of the published tables, by their SHA-256: rows were "
        "changed, exchanged or repeated, so figures cannot be compared with published ones"
    )


def describe(faces: Faces) -> list[str]:
    """Return lines on the number of pictures of each split and label."""
    lines = []
    for name, code in USAGE_CODES.items():
        counts = np.bincount(faces.emotion[faces.usage == code], minlength=len(FER2013_CODES))
        labels = ", ".join(f"{label} {count:,}" for label, count in zip(FER2013_CODES, counts, strict=True))
        lines.append(f"{name}: {int(counts.sum()):,} pictures ({labels})")
    return lines


def write_data_file(faces: Faces, folder: Path) -> Path:
    """Write `fer2013.npz` into a folder, which is made, and return its path. Raises OSError."""
    arrays: dict[str, NDArray[Any]] = {"images": faces.images, "emotion": faces.emotion, "usage": faces.usage}
    if faces.votes is not None:
        arrays["ferplus_votes"] = faces.votes
    path = folder / FER2013_FILE
    replace_file(path, lambda target: np.savez_compressed(target, **arrays))
    return path


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) + " pictures"
