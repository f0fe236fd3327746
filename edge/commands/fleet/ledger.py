"""Remembers on the operator's machine what was signed last for a fleet, so that no counter is used twice."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge.errors import ConfigError
from edge.messages.desired import MAX_COUNTER
from edge.system.kept_file import KeptFile


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was signed last for the fleet below `base`. `counter`: the highest; `document`: the one published last."""

    base: str
    counter: Annotated[int, Meta(ge=0, le=MAX_COUNTER)] = 0
    document: str | None = None


class Ledger(KeptFile[Entry]):
    """The file of one fleet. Without a place for it nothing is remembered, and the broker alone knows the counter."""

    def __init__(self, base: str, environ: Mapping[str, str] = os.environ) -> None:
        folder = _folder(environ)
        # The base topic may have levels, and signs that no file name takes.
        file = None if folder is None else folder / f"fleet-{zlib.crc32(base.encode()):08x}.json"
        super().__init__(file, Entry, name="fleet ledger", remedy="see who else signs, and remove it")
        self._base = base

    def entry(self) -> Entry:
        """Return what is remembered. Raises ConfigError where the file is damaged, or of another fleet."""
        entry = self.read() or Entry(base=self._base)
        if entry.base != self._base:
            raise ConfigError(f"fleet ledger {self.file} is of the fleet {entry.base!r}: move it elsewhere")
        return entry


def _folder(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("XDG_STATE_HOME", "")
    if home and Path(home).is_absolute():
        return Path(home) / "emotion-edge"
    try:
        return Path.home() / ".local" / "state" / "emotion-edge"
    except RuntimeError:
        return None
