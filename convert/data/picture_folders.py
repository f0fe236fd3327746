"""Reads FER2013 in the form that people download as folders of pictures: a folder of each split and label.

Known forms (November 2026): `train/angry/Training_3908.jpg` with `test/angry/PublicTest_88305.jpg` and
`PrivateTest_...`; `train/angry/im0.png` with `test/angry/im0.png`; `Training/0/...`, `PublicTest/0/...`,
`PrivateTest/0/...` with FER2013's codes. No name says which row of the published table a picture is, so FER+ votes
cannot be given to it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from convert.data.fer2013 import FACE_SIDE_PX, FER2013_CODES, USAGE_CODES
from convert.data.published import PUBLISHED_COUNTS, Faces, check_counts
from convert.errors import ConvertError
from convert.progress import PrintLine, Tick
from edge.capture.backends.images import IMAGE_SUFFIXES, decode_image
from edge.vision.classification.face_reading import plain_label

_SPLITS: Final = {
    "train": "Training",
    "training": "Training",
    "publictest": "PublicTest",
    "privatetest": "PrivateTest",
    "test": None,
}
"""Split of a folder by its name in lower case; None for both tests."""
_FORM: Final = (
    "FER2013 as folders: train and test, or Training, PublicTest and PrivateTest, each with a folder for each of "
    f"{', '.join(FER2013_CODES)}"
)
_FERPLUS_FOLDER: Final = "fer2013train"
_NUMBERED: Final = re.compile(r"^(\d+)[ _-]*(.*)$")
_LOSSY: Final = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class _Picture:
    """A file, its FER2013 code, and its split; None where only is known that it is of a test."""

    path: Path
    code: int
    split: str | None


def read_folders(root: Path, print_line: PrintLine, tick: Tick, counts: Mapping[str, int] = PUBLISHED_COUNTS) -> Faces:
    """Read FER2013's pictures from folders, without votes, and print what this form lacks.

    `tick`: is called with the files read and their number. `counts`: pictures of each split that there must be. Raises
    ConvertError where the folders have another form, and where a picture is not 48x48 pixels.
    """
    pictures = list(_pictures(_top(root)))
    if not pictures:
        msg = f"{root} contains no pictures of {_FORM}"
        raise ConvertError(msg)
    unknown = [at for at, picture in enumerate(pictures) if picture.split is None]
    # Every second one, so that both halves have the labels in equal shares.
    halves = dict(zip(unknown, ("PublicTest", "PrivateTest") * len(unknown), strict=False))
    usage = np.array([USAGE_CODES[one.split or halves[at]] for at, one in enumerate(pictures)], dtype=np.uint8)
    check_counts(usage, root, counts)
    images = np.empty((len(pictures), FACE_SIDE_PX, FACE_SIDE_PX), dtype=np.uint8)
    for at, picture in enumerate(pictures):
        tick(at, len(pictures))
        image = decode_image(picture.path, colour=False)
        if image.shape[:2] != images.shape[1:]:
            msg = f"{picture.path} has {image.shape[1]}x{image.shape[0]} pixels, not 48x48: it is not of FER2013"
            raise ConvertError(msg)
        images[at] = image
    for line in _lacks(pictures, len(unknown)):
        print_line(line)
    order = np.argsort(usage, kind="stable")
    codes = np.array([picture.code for picture in pictures], dtype=np.uint8)
    return Faces(images[order], codes[order], usage[order])


def _lacks(pictures: list[_Picture], unknown: int) -> Iterator[str]:
    yield (
        "this form has no FER+ votes, and no name of a picture says which votes belong to it: `quantize` and "
        "`train --recipe fer2013` do with FER2013's own labels, every other command that reads the data needs the votes"
    )
    if unknown:
        yield (
            f"the names of {unknown:,} test pictures do not say whether they are of PublicTest or PrivateTest: every "
            "second one counts as PublicTest, so figures cannot be compared with published ones"
        )
    if any(picture.path.suffix.lower() in _LOSSY for picture in pictures):
        yield "the pictures are JPEG files, so their pixels differ slightly from those of the published table"


def _top(root: Path) -> Path:
    """Return the folder that holds the splits: `root`, or the only folder in it, as archives are unpacked."""
    folders = _folders(root)
    names = {folder.name.casefold() for folder in folders}
    if _FERPLUS_FOLDER in names:
        msg = (
            f"{root} has the form that FER+'s script writes (FER2013Train, FER2013Valid, FER2013Test), which lacks "
            "FER2013's labels: give the table instead, --fer2013 fer2013.csv"
        )
        raise ConvertError(msg)
    if not names & set(_SPLITS) and len(folders) == 1:
        return _top(folders[0])
    return root


def _pictures(top: Path) -> Iterator[_Picture]:
    for folder in _folders(top):
        name = folder.name.casefold()
        if name not in _SPLITS:
            continue
        for label in _folders(folder):
            code = _code(label)
            for path in sorted(label.iterdir()):
                if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
                    prefix = path.name.partition("_")[0].casefold()
                    yield _Picture(path, code, _SPLITS[name] or _SPLITS.get(prefix))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _code(folder: Path) -> int:
    """Return FER2013's code of a label's folder: `angry`, `0`, `0 angry`, or another usual name."""
    numbered = _NUMBERED.match(folder.name)
    if numbered is not None and not numbered[2] and int(numbered[1]) < len(FER2013_CODES):
        return int(numbered[1])
    label = plain_label(numbered[2] if numbered is not None else folder.name)
    if label not in FER2013_CODES:
        msg = f"the folder {folder} is named after none of FER2013's labels: {', '.join(FER2013_CODES)}"
        raise ConvertError(msg)
    return FER2013_CODES.index(label)
