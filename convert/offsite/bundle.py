"""Prepares the folder that goes to another machine: data, ImageNet weights, code, wheels and the plan."""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import (
    FER2013_FILE,
    USAGE_CODES,
    load_split,
    training_rows,
    with_majority,
    without_duplicates_of,
)
from convert.errors import ConvertError
from convert.files import to_json
from convert.offsite.face_archive import write_archive
from convert.offsite.halved_weights import copy_halved, copy_model_halved
from convert.offsite.plan import PlannedRun
from convert.offsite.results import pack_run
from convert.training.preparation import first_weights
from convert.training.run_folder import BEST, is_finished, open_run

PLAN: Final = "plan.json"
FACES: Final = "faces.npz"
EARLIER: Final = "earlier"
"""Folder of the packed runs that the machine goes on with."""
BOOTSTRAP: Final = "run.py"
LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Default for the largest folder: what lends machines by the quarter of an hour often limits what goes there."""
LACKING: Final = (
    "keras",
    "absl-py",
    "namex",
    "optree",
    "rich",
    "markdown-it-py",
    "mdurl",
    "pygments",
    "packaging",
    "msgspec",
)
"""Default for what the machine lacks: what Keras and this project need beyond PyTorch, JAX, h5py and OpenCV, 5 MB."""
SMOKE_FACES: Final = (256, 96)
"""Faces of Training and PublicTest in a trial: two or four batches an epoch."""
_MEGABYTE: Final = 1024 * 1024
_GLIBC: Final = ("2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17")
"""Versions of glibc that wheels name; pip must be told each."""


def prepare_folder(  # noqa: PLR0913 - what differs from machine to machine
    plan: Sequence[PlannedRun],
    data: Path,
    target: Path,
    *,
    runs: Path | None = None,
    faces: tuple[int, int] | None = None,
    wheels: Callable[[Path], None] | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> list[tuple[str, int]]:
    """Write the folder; return each part of it with its bytes.

    `runs`: folder of earlier runs to go on with. `faces`: number of Training and PublicTest to take, None for all.
    `wheels`: writes the wheels into the folder that it is given. Raises ConvertError where something is missing, the
    folder exists already, or it would be larger than `limit_bytes`.
    """
    if target.exists():
        msg = f"{target} exists already: give a folder that does not exist, or delete it"
        raise ConvertError(msg)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        (folder / "data").mkdir(parents=True)
        for path in _weights(plan, data, runs):
            copy_halved(path, folder / "data" / path.name)
        write_archive(folder / FACES, _arrays(plan, data, faces))
        _write_code(folder / "code.zip")
        shutil.copy(Path(__file__).with_name("bootstrap.py"), folder / BOOTSTRAP)
        entries = [{"name": run.name, "recipe": asdict(run.recipe), "teachers": run.teachers} for run in plan]
        (folder / PLAN).write_text(to_json({"runs": entries}), encoding="utf-8")
        if runs is not None:
            for run in plan:
                _pack_earlier(run, runs / run.name, folder / EARLIER, Path(scratch))
        if wheels is not None:
            wheels(folder / "wheels")
        parts = [(path.name, _bytes_of(path)) for path in sorted(folder.iterdir())]
        whole = sum(size for _, size in parts)
        if whole > limit_bytes:
            what = ", ".join(f"{name} {size / _MEGABYTE:.1f}" for name, size in parts if size > _MEGABYTE)
            msg = (
                f"the folder would have {whole / _MEGABYTE:.1f} MiB, more than {limit_bytes / _MEGABYTE:.0f} MiB "
                f"({what}): name fewer packages with --lacks, plan fewer widths, or give another --limit-mib"
            )
            raise ConvertError(msg)
        shutil.copytree(folder, target)
    return parts


def _pack_earlier(run: PlannedRun, source: Path, target: Path, scratch: Path) -> None:
    """Pack an earlier run. One that is finished only teaches, for which half the precision is enough."""
    best = None
    if (source / BEST).is_file() and is_finished(open_run(run.recipe, source).state, run.recipe):
        best = scratch / f"{run.name}.keras"
        copy_model_halved(source / BEST, best)
    pack_run(source, target, best=best)


def _bytes_of(path: Path) -> int:
    return sum(each.stat().st_size for each in (path.rglob("*") if path.is_dir() else (path,)) if each.is_file())


def _weights(plan: Sequence[PlannedRun], data: Path, runs: Path | None) -> set[Path]:
    """Return the weights that those runs start from that have not begun."""
    places = [(run, None if runs is None else open_run(run.recipe, runs / run.name).state.place) for run in plan]
    return {first_weights(data, run.recipe) for run, place in places if place in {None, (0, 0, 0)}}


def _arrays(plan: Sequence[PlannedRun], data: Path, faces: tuple[int, int] | None) -> dict[str, NDArray[np.uint8]]:
    """Return the arrays of fer2013.npz for the rows that the plan trains and validates on. PrivateTest stays here."""
    votes = all(run.recipe.labels == "ferplus" for run in plan)
    training = load_split(data, "Training", need_votes=votes)
    validation = without_duplicates_of(load_split(data, "PublicTest", need_votes=votes), training)
    if votes:  # what `convert.training.preparation` would leave out there
        training, validation = training_rows(training), with_majority(validation)
    rows = [training.rows, validation.rows]
    if faces is not None:
        rows = [each[:count] for each, count in zip(rows, faces, strict=True)]
    chosen = np.concatenate(rows)
    with np.load(data / FER2013_FILE) as file:
        names = [name for name in ("images", "emotion", "usage", "ferplus_votes") if name in file.files]
        arrays = {name: np.ascontiguousarray(file[name][chosen]) for name in names}
    assert not (arrays["usage"] == USAGE_CODES["PrivateTest"]).any()  # noqa: S101 - never chosen on, so never sent
    return arrays


def _write_code(path: Path) -> None:
    """Write this project's own code, without models and assets."""
    root = Path(__file__).parents[2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for package in ("convert", "edge"):
            for source in sorted((root / package).rglob("*")):
                if source.suffix in {".py", ".toml"}:
                    archive.write(source, source.relative_to(root))


def download_wheels(target: Path, packages: Sequence[str], python: str, machine: str) -> None:
    """Download wheels with pip, without what they need in turn. Raises ConvertError where pip fails.

    `python`: version such as "3.12". `machine`: x86_64 or aarch64.
    """
    platforms = [f"manylinux_{glibc}_{machine}" for glibc in _GLIBC] + [f"manylinux2014_{machine}"]
    options = [option for name in platforms for option in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-input", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp", *options, "--dest", str(target), *packages]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own pip
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        msg = f"the wheels for Python {python} on {machine} could not be downloaded: {lines[-1]}"
        raise ConvertError(msg)


def plan_text(folder: Path) -> str:
    """Return the plan of a prepared folder as JSON. Raises ConvertError where there is none."""
    try:
        return json.dumps(json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        msg = f"{folder} is not a folder that `scripts/train-on-gpu prepare` wrote: it has no readable {PLAN}"
        raise ConvertError(msg) from error
