"""Writes files atomically: a file is complete or absent."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Create or replace a file with what `write` writes to the path that it is given.

    `write` gets a path in the same folder with the same suffix, because Keras derives the format from
    the suffix. The file is renamed over `path` after it has reached the disk, so that no reader sees a
    part of it. The folder is created. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Create or replace a file with `content`. Raises OSError."""
    replace_file(path, lambda partial: partial.write_bytes(content))


def to_json(value: Any, indent: int = 2) -> str:  # noqa: ANN401 - whatever JSON can hold
    """Return plain data as an indented JSON document that ends with a newline."""
    return json.dumps(value, indent=indent) + "\n"


def write_json(path: Path, value: Any, indent: int = 2) -> None:  # noqa: ANN401
    """Write plain data as JSON to a path that the user gave, which may be a device such as /dev/stdout.

    Not atomic for that reason. Raises OSError.
    """
    path.write_text(to_json(value, indent), encoding="utf-8")
