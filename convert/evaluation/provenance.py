"""Records when, where and with which packages and files figures were measured."""

import hashlib
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from convert.data.fer2013 import FER2013_FILE

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
    `files`: (name, sha256) of the data and the float model.
    """

    measured_at: str
    python: str
    system: str
    packages: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


def collect_provenance(data: Path, float_model: Path | None) -> Provenance:
    """Describe the present time, machine, packages and files. Raises OSError where a file cannot be read."""
    files = [data / FER2013_FILE]
    if float_model is not None and float_model.is_file():
        files.append(float_model)
    return Provenance(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=tuple(package for names in _PACKAGES for package in [_first_installed(names)] if package),
        files=tuple((path.name, sha256(path)) for path in files),
    )


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_installed(names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None
