"""Keeps how far a sensor has come with the fleet's document, and removes models that nothing needs any more."""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from edge.desired.errors import StoreError
from edge.desired.machine import Progress
from edge.desired.selection import Choice
from edge.errors import ConfigError
from edge.system.files import write_atomically
from edge.system.kept_file import KeptFile

_STATE: Final = "state.json"
_MAX_BYTES: Final = 2_097_152
"""Longest state that is read: three choices, each as long as the longest document, and indented."""
_SUFFIXES: Final = (".tflite", ".json")


class StateFile(KeptFile[Progress]):
    """The file in a folder. A damaged one is not replaced: the counter in it keeps old documents out."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / _STATE,
            Progress,
            name="fleet state",
            max_bytes=_MAX_BYTES,
            remedy="no document is accepted until somebody removes it, and then an old one may be",
        )
        self.folder = folder

    def put(self, state: Progress) -> None:
        """Replace the state; it is on the disk when this returns. Raises StoreError, and changes nothing then."""
        try:
            self.write(state)
        except ConfigError as error:
            raise StoreError(str(error)) from None


def remove_other_models(folder: Path, choices: Collection[Choice | None]) -> None:
    """Remove models and manifests that belong to none of the choices, and what a kill has left of a download."""
    needed = {choice.files for choice in choices if choice is not None}
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            known = file.name == _STATE or (file.suffix in _SUFFIXES and file.stem in needed)
            if not known and (file.suffix in {*_SUFFIXES, ".toml"} or file.name.startswith(".partial-")):
                file.unlink()


def write_candidate(folder: Path, text: str) -> Path:
    """Write the configuration that is to be checked; returns its file."""
    file = folder / "candidate.toml"
    write_atomically(file, text.encode(), durable=False)
    return file
