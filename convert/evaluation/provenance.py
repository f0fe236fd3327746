"""Records when, where and with which packages and files figures were measured."""

import hashlib
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    ("emotion-edge",),
    ("ai-edge-litert",),
    ("keras",),
    ("tensorflow-cpu", "tensorflow"),
    ("numpy",),
    ("opencv-python-headless", "opencv-python"),
)


@dataclass(frozen=True)
class Provenance:
    """What is needed to repeat a measurement.

    `measured_at`: RFC 3339, UTC. `system`: operating system and processor. `packages`: (name, version).
    `files`: (name, sha256) of the data and the float model, which may be a folder.
    """

    measured_at: str
    python: str
    system: str
    packages: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


def collect_provenance(*files: Path | None) -> Provenance:
    """Describe the present time, machine, packages and files; None stands for a file that was not used.

    Raises OSError where a file cannot be read.
    """
    return Provenance(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=tuple(package for names in _PACKAGES for package in [_first_installed(names)] if package),
        files=tuple((path.name, sha256(path)) for path in files if path is not None),
    )


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; of a folder that of its files' names and contents. Raises OSError."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file_path in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(os.fsencode(file_path.relative_to(path)) + b"\0" + bytes.fromhex(sha256(file_path)))
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_installed(names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None
