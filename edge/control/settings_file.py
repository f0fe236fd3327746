"""Stores what requests have set, so that it outlives restarts and power cuts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edge.system.kept_file import KeptFile


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Content of the file."""

    settings: dict[Annotated[str, msgspec.Meta(min_length=1)], Any]


class SettingsFile:
    """A file of settings, values by name, as JSON. With None nothing is stored."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._kept = KeptFile(file, _Content, name="settings", remedy="the next request/set replaces it")

    def read(self) -> dict[str, Any]:
        """Return the settings; none where there is no file. Raises ConfigError where it is damaged or unreadable."""
        content = self._kept.read()
        return {} if content is None else content.settings

    def can_write(self) -> bool:
        """Return whether this user may write the file, or its folder where there is none; the folder may be missing."""
        if self.file is None:
            return False
        folder = next(one for one in self.file.parents if os.path.exists(one))  # noqa: PTH110 - Path.exists may raise
        return os.access(folder, os.W_OK | os.X_OK)

    def write(self, settings: Mapping[str, Any]) -> None:
        """Replace the settings; they are on disk when this returns. Raises ConfigError, and keeps the old ones then."""
        self._kept.write(_Content(dict(settings)) if settings else None)
