"""Writes the files of a run, a model or a report: each is complete or absent, also after Ctrl-C or a power cut.

A training run resumes from files that an interrupted run left behind, so a part of one would be taken for the whole.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from edge.system import files


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Create or replace a file atomically with what `write` writes to the path that it is given.

    `write` gets a path with the same suffix, because Keras derives the format from the suffix. The folder is
    created. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace_file(path, write)


def require_writable_folder(folder: Path, option: str) -> None:
    """Raise ConvertError where files cannot be written into a folder, or the folder cannot be created.

    `option`: the option that names it. For the start of what takes minutes before it writes.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        msg = f"{option} {folder} must be a folder, but {existing} is a file"
        raise ConvertError(msg)
    if not os.access(existing, os.W_OK | os.X_OK):
        msg = f"{option} {folder} must be a folder that can be written to, and {existing} cannot"
        raise ConvertError(msg)


def write_atomically(path: Path, content: bytes) -> None:
    """Create or replace a file with `content`, atomically. The folder is created.

    Raises OSError.
    """
    replace_file(path, lambda partial: partial.write_bytes(content))


def to_json(value: Any, indent: int = 2) -> str:  # noqa: ANN401 - whatever JSON can hold
    """Return plain data as an indented JSON document that ends with a newline."""
    return json.dumps(value, indent=indent) + "\n"


def write_json(path: Path, value: Any, indent: int = 2) -> None:  # noqa: ANN401
    """Write plain data as JSON to a path that the user gave, which may be a device such as /dev/stdout.

    Not atomic for that reason. Raises OSError.
    """
    path.write_text(to_json(value, indent), encoding="utf-8")
