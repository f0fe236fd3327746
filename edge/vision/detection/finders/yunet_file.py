"""Finds and checks the file of YuNet, which the user downloads: it is neither part of this project nor shipped."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from edge.errors import DetectorError
from edge.system.files import expanded

NAME: Final = "face_detection_yunet_2026may.onnx"
SHA256: Final = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
"""The file that every figure about YuNet was measured with."""
PLACE: Final = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
INSTALLED_NAME: Final = "face_detection_yunet.onnx"
"""Name under which `systemd/install --detector FILE` puts it in place; in a folder it counts before all others."""
SERVICE_FOLDER: Final = Path("/etc/emotion-edge")
"""Where the installer puts it, beside the configuration: the service's user can read it there."""

_PATTERN: Final = "face_detection_yunet*.onnx"
_LARGEST_BYTES: Final = 64 * 1024 * 1024  # YuNet has 0.2 MB; a wrong file may be of any size
_LFS_START: Final = b"version https://git-lfs"


def yunet_folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the folders in which the file is looked for, in this order: the user's own, then the service's."""
    home = environ.get("XDG_DATA_HOME", "")
    folders = []
    # The XDG base directory specification has programs ignore a relative path.
    if home and Path(home).is_absolute():
        folders.append(Path(home) / "emotion-edge")
    else:
        own = expanded("~/.local/share/emotion-edge")
        folders += [own] if own.is_absolute() else []
    return [*folders, SERVICE_FOLDER]


def find_yunet_file(configured: str, folders: Sequence[Path] | None = None) -> Path:
    """Return the file of YuNet: the one that is configured, else the first in the folders.

    In a folder INSTALLED_NAME comes first, then the newest by name. Raises DetectorError where there is none.
    """
    if configured:
        path = expanded(configured)
        if path.is_dir():
            raise DetectorError(f"detector.yunet_file is {configured!r}, but this is a folder: name the file in it")
        if not _is_file(path):
            raise DetectorError(f"detector.yunet_file is {configured!r}, but this file does not exist: {_how_to_get()}")
        return path
    searched = yunet_folders() if folders is None else folders
    for folder in searched:
        try:
            names = [one.name for one in folder.glob(_PATTERN) if _is_file(one)]
        except OSError:  # a folder that may not be searched
            continue
        if names:
            # Of files of one time those with 8-bit numbers come last: they are made for other programs.
            return folder / max(names, key=lambda one: (one == INSTALLED_NAME, "int8" not in one, one))
    places = " or ".join(str(folder) for folder in searched)
    raise DetectorError(f'detector.kind is "yunet", but its file is not in {places}: {_how_to_get()}')


def check_yunet_file(path: Path) -> str:
    """Check that a file can hold a network; returns its SHA-256 sum in hexadecimal digits.

    Raises DetectorError where it cannot be read or is something else, such as the page around the file.
    """
    shown = f"detector.yunet_file is {str(path)!r}"
    try:
        content = path.read_bytes() if path.stat().st_size <= _LARGEST_BYTES else b""
    except OSError as error:
        raise DetectorError(f"{shown}, but this file cannot be read: {error.strerror}") from error
    wrong = None
    if content.startswith(_LFS_START):
        wrong = "a pointer of Git LFS, not the network itself"
    elif content.lstrip()[:1] == b"<":
        wrong = "a web page, not the network itself"
    elif not content:
        wrong = "empty" if path.stat().st_size == 0 else f"larger than {_LARGEST_BYTES >> 20} MB, which no YuNet is"
    if wrong is not None:
        raise DetectorError(f"{shown}, but this file is {wrong}: {_how_to_get()}")
    return hashlib.sha256(content).hexdigest()


def not_yunet(path: Path, reason: str) -> DetectorError:
    """Return the error for a file with which YuNet cannot be run; `reason`: what it is, or what became of it."""
    return DetectorError(f"detector.yunet_file is {str(path)!r}, but this file {reason}: {_how_to_get()}")


def _how_to_get() -> str:
    return (
        f"download {NAME} (0.2 MB, MIT licence, sha256 {SHA256}) from {PLACE}, and set detector.yunet_file to it "
        f"or put it into {yunet_folders()[0]}; for the service: sudo install -m 644 FILE {yunet_folders()[-1]}/"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be searched
        return False
