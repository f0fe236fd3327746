"""Reads FER2013's and FER+'s published tables, CSV files, as arrays."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import FACE_SIDE_PX, FER2013_CODES, USAGE_CODES, VOTES_PER_IMAGE
from convert.data.published import PUBLISHED_COUNTS, Faces, check_counts, check_votes
from convert.errors import ConvertError
from convert.progress import PrintLine, Tick

_PIXELS: Final = FACE_SIDE_PX**2
_FER2013_COLUMNS: Final = ("emotion", "pixels", "usage")
_ANSWERS: Final = (
    *("neutral", "happiness", "surprise", "sadness", "anger"),
    *("disgust", "fear", "contempt", "unknown", "nf"),
)
_FERPLUS_COLUMNS: Final = ("usage", "image name", *_ANSWERS)
_FER2013_FORM: Final = "FER2013's table (columns emotion, pixels and Usage: fer2013.csv or icml_face_data.csv)"
_FERPLUS_FORM: Final = "FER+'s table (columns Usage, Image name, neutral, happiness, ... NF: fer2013new.csv)"
_ARCHIVES: Final = (b"\x1f\x8b", b"PK\x03\x04", b"7z\xbc\xaf")
"""First bytes of gzip, zip and 7z files: both tables are downloaded inside such files."""
_SHOWN_CHARS: Final = 60
_MAX_LEVEL: Final = 255


def read_tables(
    fer2013: Path,
    ferplus: Path | None,
    print_line: PrintLine,
    tick: Tick,
    counts: Mapping[str, int] = PUBLISHED_COUNTS,
) -> Faces:
    """Read FER2013's table and, if it is given, FER+'s, and check both.

    `tick`: is called with the rows that are read and their expected number. `counts`: pictures of each split that there
    must be. Raises ConvertError, with file and line, for anything that the published tables do not contain.
    """
    faces = _read_fer2013(fer2013, tick, sum(counts.values()))
    check_counts(faces.usage, fer2013, counts)
    if ferplus is None:
        return faces
    usage, votes = _read_ferplus(ferplus)
    check_counts(usage, ferplus, counts)
    differing = np.flatnonzero(usage != faces.usage)
    if differing.size:
        row = int(differing[0])
        msg = f"row {row} is of another split in {ferplus} than in {fer2013}: rows were moved in one of both"
        raise ConvertError(msg)
    print_line(check_votes(votes, faces.emotion, ferplus))
    return Faces(faces.images, faces.emotion, faces.usage, votes)


def _read_fer2013(path: Path, tick: Tick, expected: int) -> Faces:
    images: list[NDArray[np.uint8]] = []
    emotions, usages = [], []
    for line, (emotion, pixels, usage) in _rows(path, _FER2013_COLUMNS, _FER2013_FORM):
        tick(len(images), expected)
        images.append(_image(path, line, pixels))
        emotions.append(_number(path, line, "emotion", emotion, len(FER2013_CODES) - 1))
        usages.append(_usage(path, line, usage))
    shape = (len(images), FACE_SIDE_PX, FACE_SIDE_PX)
    return Faces(
        np.asarray(images, dtype=np.uint8).reshape(shape), np.asarray(emotions, np.uint8), np.asarray(usages, np.uint8)
    )


def _read_ferplus(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    usages, votes = [], []
    for line, (usage, _, *answers) in _rows(path, _FERPLUS_COLUMNS, _FERPLUS_FORM):
        usages.append(_usage(path, line, usage))
        columns = zip(_ANSWERS, answers, strict=True)
        votes.append([_number(path, line, column, text, VOTES_PER_IMAGE) for column, text in columns])
    return np.asarray(usages, np.uint8), np.asarray(votes, np.uint8).reshape(len(votes), len(_ANSWERS))


def _rows(path: Path, columns: Sequence[str], form: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and the values of `columns` of each row. Names are compared without case and spaces."""
    try:
        with path.open("rb") as file:
            if file.read(4).startswith(_ARCHIVES):
                msg = f"{path} is an archive: unpack it, and name the CSV file in it"
                raise ConvertError(msg)
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().casefold() for name in next(reader, [])]
            missing = [name for name in columns if name not in header]
            if missing:
                found = ",".join(header)[:_SHOWN_CHARS] or "nothing"
                msg = f"{path} is not {form}: it has no column {missing[0]}; its first line is {found!r}"
                raise ConvertError(msg)
            places = [header.index(name) for name in columns]
            for row in reader:
                if not row:
                    continue
                if len(row) <= max(places):
                    msg = f"{path}, line {reader.line_num}: {len(row)} of {len(header)} values; is the file cut off?"
                    raise ConvertError(msg)
                yield reader.line_num, [row[place].strip() for place in places]
    except csv.Error as error:
        msg = f"{path} is not {form}: {error}"
        raise ConvertError(msg) from error


def _image(path: Path, line: int, text: str) -> NDArray[np.uint8]:
    parts = text.split()
    try:
        values = np.array(parts, dtype=np.int64)
    except (ValueError, OverflowError) as error:
        msg = f"{path}, line {line}: pixels must be whole numbers from 0 to 255 with spaces between: {error}"
        raise ConvertError(msg) from error
    if len(values) != _PIXELS:
        msg = f"{path}, line {line}: {len(values):,} pixels, not {_PIXELS:,} (48x48); is the file cut off?"
        raise ConvertError(msg)
    if values.min() < 0 or values.max() > _MAX_LEVEL:
        msg = f"{path}, line {line}: pixels from {values.min()} to {values.max()}, not from 0 to 255"
        raise ConvertError(msg)
    return values.astype(np.uint8)


def _number(path: Path, line: int, column: str, text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > largest:
        msg = f"{path}, line {line}: {column} is {text!r}, not a whole number from 0 to {largest}"
        raise ConvertError(msg)
    return int(text)


def _usage(path: Path, line: int, text: str) -> int:
    if text not in USAGE_CODES:
        msg = f"{path}, line {line}: Usage is {text!r}, not one of {', '.join(USAGE_CODES)}"
        raise ConvertError(msg)
    return USAGE_CODES[text]
