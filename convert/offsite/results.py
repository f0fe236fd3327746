"""Packs the folder of a run into files of a limited size, and unpacks them."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from convert.errors import ConvertError, reason_of
from convert.files import write_atomically
from convert.training.checkpoint import STATE, Checkpoints
from convert.training.history import HISTORY
from convert.training.run_folder import BEST, RECIPE, UNADJUSTED, is_finished, recipe_in

PART_BYTES: Final = 16 * 1024 * 1024
"""Largest file that comes back: what takes files from another machine often limits them."""
_SUFFIX: Final = ".tar."


def pack_run(folder: Path, target: Path, part_bytes: int = PART_BYTES, best: Path | None = None) -> list[Path]:
    """Write what a run's folder holds as TARGET/NAME.tar.0, .1, ..., in place of earlier ones; nothing for no run.

    Of a finished run that is its best model, of another one also what it resumes from. `best`: file in place of the
    best model. Raises OSError.
    """
    recipe = recipe_in(folder)
    if recipe is None or not (folder / STATE).is_file():
        return []
    checkpoints = Checkpoints(folder)
    names = [RECIPE, STATE, HISTORY, BEST]
    paths = [folder / name for name in names]
    if not is_finished(checkpoints.state, recipe):
        paths += [folder / UNADJUSTED, *checkpoints.files([stage.epochs for stage in recipe.stages])]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in paths:
            if path.is_file():
                archive.add(best if best is not None and path.name == BEST else path, path.name)
    packed = content.getvalue()
    written = []
    for number, start in enumerate(range(0, len(packed), part_bytes)):
        written.append(target / f"{folder.name}{_SUFFIX}{number}")
        write_atomically(written[-1], packed[start : start + part_bytes])
    for old in {*target.glob(f"{folder.name}{_SUFFIX}*")} - {*written}:
        old.unlink()
    return written


def packed_runs(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield name and parts, in order, of each packed run in a folder."""
    for first in sorted(folder.glob(f"*{_SUFFIX}0")):
        name = first.name.removesuffix(f"{_SUFFIX}0")
        parts = folder.glob(f"{name}{_SUFFIX}*")
        yield name, sorted(parts, key=lambda part: int(part.suffix[1:]) if part.suffix[1:].isdecimal() else -1)


def unpack_runs(source: Path, target: Path) -> list[Path]:
    """Unpack each packed run in a folder as TARGET/NAME. Raises ConvertError where one cannot be read."""
    folders = []
    for name, parts in packed_runs(source):
        content = io.BytesIO(b"".join(part.read_bytes() for part in parts))
        folder = target / name
        try:
            with tarfile.open(fileobj=content) as archive:
                folder.mkdir(parents=True, exist_ok=True)
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError) as error:
            msg = f"{parts[0]} and its {len(parts) - 1} further parts cannot be unpacked: {reason_of(error)}"
            raise ConvertError(msg) from error
        folders.append(folder)
    return folders
