"""Where and with what figures were measured, so that they can be measured again."""

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
class Circumstances:
    """`measured_at`: RFC 3339, UTC. `files`: (name, sha256) of the data and the float model."""

    measured_at: str
    python: str
    system: str
    packages: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


def circumstances(data: Path, float_model: Path | None) -> Circumstances:
    """Describe this moment and machine. Raises OSError where a file cannot be read."""
    files = [data / FER2013_FILE]
    if float_model is not None and float_model.is_file():
        files.append(float_model)
    return Circumstances(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=tuple(found for names in _PACKAGES for found in [_first(names)] if found),
        files=tuple((path.name, sha256(path)) for path in files),
    )


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first(names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None
