"""Stores what requests have set, so that it outlives restarts and power cuts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from edge.errors import ConfigError
from edge.system.files import sync_folder, write_atomically

_MAX_FILE_BYTES: Final = 262_144
"""Longest file that is read: four times the longest request."""


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Content of the file."""

    settings: dict[Annotated[str, msgspec.Meta(min_length=1)], Any]


class SettingsFile:
    """A file of settings, values by name, as JSON. With None nothing is stored."""

    def __init__(self, file: Path | None) -> None:
        self.file = file

    def read(self) -> dict[str, Any]:
        """Return the settings; none where there is no file. Raises ConfigError where it is damaged or unreadable."""
        if self.file is None:
            return {}
        try:
            with self.file.open("rb") as stream:
                data = stream.read(_MAX_FILE_BYTES + 1)
            if len(data) > _MAX_FILE_BYTES:
                raise ValueError(f"it has more than {_MAX_FILE_BYTES} bytes")  # noqa: TRY301 - reported like the others
            return msgspec.json.decode(data, type=_Content).settings
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"settings file {self.file} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ConfigError(
                f"settings file {self.file} is damaged ({reason}): the next request/set replaces it"
            ) from None

    def can_write(self) -> bool:
        """Return whether this user may write the file, or its folder where there is none; the folder may be missing."""
        if self.file is None:
            return False
        folder = next(one for one in self.file.parents if os.path.exists(one))  # noqa: PTH110 - Path.exists may raise
        return os.access(folder, os.W_OK | os.X_OK)

    def write(self, settings: Mapping[str, Any]) -> None:
        """Replace the settings; they are on disk when this returns. Raises ConfigError, and keeps the old ones then."""
        if self.file is None:
            return
        try:
            if settings:
                content = msgspec.json.format(msgspec.json.encode(_Content(dict(settings))))
                write_atomically(self.file, content + b"\n")
            else:
                self.file.unlink(missing_ok=True)
            if self.file.parent.exists():
                sync_folder(self.file.parent)
        except OSError as error:
            raise ConfigError(
                f"settings file {self.file} cannot be written ({error.strerror}): nothing was changed"
            ) from None
