"""Finds the pictures of a folder that has one folder for each label, and matches the folders' names with labels."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError, os_error_text
from edge.capture.backends.images import IMAGE_SUFFIXES, natural_key
from edge.capture.pictures.foreign import FOREIGN_SUFFIXES
from edge.logs.setup import on_one_line
from edge.vision.classification.face_reading import plain_label

_MAX_NAMED: Final = 8
"""Maximum number of names in one sentence."""


@dataclass(frozen=True)
class LabelledPictures:
    """Picture files with their labels.

    `labels`: int64 (n,), indexes into the labels of the model. `folders`: the name of each folder with the label that
    it was taken for, None where it was left out. `left_out`: pictures of folders without a label, and those that lie
    beside the folders. `other_files`: files whose names are not those of pictures. `notes`: sentences on what is
    missing or was left out.
    """

    folder: Path
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    folders: tuple[tuple[str, str | None], ...]
    left_out: int
    other_files: int
    notes: tuple[str, ...]

    def take(self, keep: NDArray[np.int64]) -> "LabelledPictures":
        """Return the pictures at some places."""
        return replace(self, paths=tuple(self.paths[at] for at in keep), labels=self.labels[keep])

    def name_of(self, at: int) -> str:
        """Return the path of a picture below the folder, in a form that can be printed."""
        return printable(self.paths[at].relative_to(self.folder))


def printable(path: Path | str) -> str:
    """Return a path as text of one line that every output takes: names of files need not be UTF-8."""
    return on_one_line(str(path).encode(errors="backslashreplace").decode())


def parse_label_map(texts: Sequence[str]) -> dict[str, str]:
    """Read the values of the option --label-map, each `FOLDER=LABEL,...`; an empty label leaves a folder out.

    Raises ConvertError for anything else, and for a folder that is named twice.
    """
    pairs: dict[str, str] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        folder, equals, label = (piece.strip() for piece in part.partition("="))
        if not equals or not folder:
            msg = f"--label-map must be FOLDER=LABEL, with commas between several, not {part!r}"
            raise ConvertError(msg)
        if folder in pairs:
            msg = f"--label-map names folder {folder!r} twice: {pairs[folder]!r} and {label!r}"
            raise ConvertError(msg)
        pairs[folder] = label
    return pairs


def matching_label(name: str, labels: Sequence[str]) -> str | None:
    """Return the label that a folder's name means, None where none or more than one can be meant.

    It is the label of that name, else the only one that differs in upper and lower case, else the only one that is a
    synonym, as `plain_label` knows them.
    """
    if name in labels:
        return name
    folded = name.strip().casefold()
    same = [label for label in labels if label.casefold() == folded]
    synonyms = [label for label in labels if plain_label(label) == plain_label(name)]
    for found in (same, synonyms):
        if found:
            return found[0] if len(found) == 1 else None
    return None


def find_pictures(folder: Path, labels: Sequence[str], model: str, label_map: Mapping[str, str]) -> LabelledPictures:
    """Find the pictures below `folder`/LABEL/, of any depth, without hidden ones, in natural order.

    `labels`: those of the model that is called `model`. `label_map`: of `parse_label_map`. Raises ConvertError where a
    folder with pictures is no label, where --label-map names what does not exist, and where there is no picture.
    """
    try:
        entries = sorted((path for path in folder.iterdir() if path.name[0] != "."), key=natural_key)
    except OSError as error:
        msg = f"--pictures {os_error_text(error, 'read', folder)}; it must be a folder with a folder for each label"
        raise ConvertError(msg) from error
    names = {path.name: path for path in entries if path.is_dir()}
    known = ", ".join(labels)
    if not names:
        msg = (
            f"--pictures {folder} contains no folder: it needs one for each label of model {model} ({known}), as in "
            f"{folder / labels[0]}/1.jpg"
        )
        raise ConvertError(msg)
    _check_map(label_map, names, labels, folder, model)
    found = {name: picture_files(path) for name, path in names.items()}
    meant = {name: label_map.get(name, matching_label(name, labels)) or None for name in names}
    unknown = [
        name for name, (pictures, _) in found.items() if pictures and meant[name] is None and name not in label_map
    ]
    if unknown:
        raise ConvertError(_unknown_sentence(folder, unknown, names, labels, model))
    loose = [path for path in entries if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES]
    paths = [(path, meant[name]) for name, (pictures, _) in found.items() for path in pictures if meant[name]]
    if not paths:
        msg = (
            f"--pictures {folder} contains no picture in the folder of a label ({known}): it needs at least one of "
            f"{', '.join(sorted(IMAGE_SUFFIXES - FOREIGN_SUFFIXES))}"
        )
        raise ConvertError(msg)
    place = {label: at for at, label in enumerate(labels)}
    return LabelledPictures(
        folder=folder,
        paths=tuple(path for path, _ in paths),
        labels=np.array([place[label] for _, label in paths if label is not None], dtype=np.int64),
        folders=tuple(meant.items()),
        left_out=len(loose) + sum(len(pictures) for name, (pictures, _) in found.items() if meant[name] is None),
        other_files=sum(others for _, others in found.values()),
        notes=_notes(folder, labels, found, meant, len(loose)),
    )


def _check_map(
    label_map: Mapping[str, str], names: Mapping[str, Path], labels: Sequence[str], folder: Path, model: str
) -> None:
    for name, label in label_map.items():
        if name not in names:
            msg = f"--label-map names folder {name!r}, which {folder} does not contain; it has {_listed(list(names))}"
            raise ConvertError(msg)
        if label and label not in labels:
            msg = f"--label-map {name}={label}: {label!r} is no label of model {model} ({', '.join(labels)})"
            raise ConvertError(msg)


def picture_files(folder: Path) -> tuple[list[Path], int]:
    """Return the pictures in a folder and in those within it, without hidden ones, and the number of other files."""
    pictures, others = [], 0
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if name[0] != "."]
        for name in (name for name in files if name[0] != "."):
            path = Path(place, name)
            if path.suffix.lower() in IMAGE_SUFFIXES:
                pictures.append(path)
            else:
                others += 1
    return sorted(pictures, key=natural_key), others


def _raise(error: OSError) -> None:
    raise error


def _unknown_sentence(
    folder: Path, unknown: Sequence[str], names: Mapping[str, Path], labels: Sequence[str], model: str
) -> str:
    one = len(unknown) == 1
    start = (
        f"--pictures {folder} has the folder{'' if one else 's'} {_listed(unknown)}, which "
        f"{'is no label' if one else 'are no labels'} of model {model} ({', '.join(labels)}): "
    )
    deeper = [name for name in unknown if any(matching_label(each.name, labels) for each in _folders(names[name]))]
    if deeper:
        return f"{start}the folders of the labels lie one level deeper, so give --pictures {folder / deeper[0]}"
    first = printable(unknown[0])
    return f"{start}give --label-map {first}=LABEL, or leave {'it' if one else 'one'} out with --label-map {first}="


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def _notes(
    folder: Path,
    labels: Sequence[str],
    found: Mapping[str, tuple[list[Path], int]],
    meant: Mapping[str, str | None],
    loose: int,
) -> tuple[str, ...]:
    renamed = [f"{printable(name)} as {label}" for name, label in meant.items() if label and label != name]
    notes = [f"folders taken for labels of another name: {', '.join(renamed)}"] if renamed else []
    for name, (pictures, others) in found.items():
        if not pictures:
            without = f", only {others} other files" if others else ""
            notes.append(f"folder {printable(folder / name)} contains no picture{without}")
        elif meant[name] is None:
            notes.append(
                f"folder {printable(folder / name)} is left out, as --label-map says ({len(pictures)} pictures)"
            )
    if loose:
        notes.append(f"{loose} pictures lie directly in {printable(folder)}, not in the folder of a label: left out")
    have = {meant[name] for name, (pictures, _) in found.items() if pictures}
    missing = [label for label in labels if label not in have]
    if missing:
        notes.append(
            f"no picture shows {', '.join(missing)}: recalls of {'it' if len(missing) == 1 else 'them'} are unknown"
        )
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name)) for name in names[:_MAX_NAMED])
    return shown + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
