"""Keeps one JSON document of what was changed from afar, so that it outlives restarts and power cuts."""

from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from edge.errors import ConfigError
from edge.system.files import sync_folder, write_atomically

_MAX_FILE_BYTES: Final = 262_144
"""Longest file that is read: four times the longest request, and a calm face of a thousand labels."""

Content = TypeVar("Content", bound=msgspec.Struct)


class KeptFile(Generic[Content]):
    """A file of one document. Where its path is None nothing is kept.

    `content`: type of the document. `name`: what errors call the file. `remedy`: what becomes of a damaged one.
    `max_bytes`: longest file that is read.
    """

    def __init__(
        self, file: Path | None, content: type[Content], *, name: str, remedy: str, max_bytes: int = _MAX_FILE_BYTES
    ) -> None:
        self.file = file
        self._type, self._name, self._remedy, self._max_bytes = content, name, remedy, max_bytes

    def read(self) -> Content | None:
        """Return the document; None where there is no file. Raises ConfigError where it is damaged or unreadable."""
        if self.file is None:
            return None
        try:
            with self.file.open("rb") as stream:
                data = stream.read(self._max_bytes + 1)
            if len(data) > self._max_bytes:
                raise ValueError(f"it has more than {self._max_bytes} bytes")  # noqa: TRY301 - reported like the others
            return msgspec.json.decode(data, type=self._type)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self._name} file {self.file} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            reason: Any = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ConfigError(f"{self._name} file {self.file} is damaged ({reason}): {self._remedy}") from None

    def write(self, content: Content | None) -> None:
        """Replace the document; None removes it. On disk when this returns. Raises ConfigError, and changes nothing."""
        if self.file is None:
            return
        try:
            if content is None:
                self.file.unlink(missing_ok=True)
            else:
                write_atomically(self.file, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
            if self.file.parent.exists():
                sync_folder(self.file.parent)
        except OSError as error:
            raise ConfigError(
                f"{self._name} file {self.file} cannot be written ({error.strerror}): nothing was changed"
            ) from None
