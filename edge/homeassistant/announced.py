"""Stores what this sensor has announced, topics and zones, so that it can be removed from Home Assistant later."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.system.files import write_atomically

_LOG: Final = logging.getLogger(__name__)
_MAX_FILE_BYTES: Final = 65_536


class Announced:
    """Names of what was announced: topics that may hold a retained message of this sensor, or zones.

    `file`: holds one name per line; with None they are kept in memory alone. `is_valid`: returns whether a line is such
    a name; other lines are ignored. A file that cannot be read or written is logged, not raised: a message can still be
    removed with `emotion-edge homeassistant remove`.
    """

    def __init__(self, file: Path | None, is_valid: Callable[[str], bool]) -> None:
        self._file = file
        self._names = {name for name in self._read() if is_valid(name)}

    @property
    def names(self) -> frozenset[str]:
        """The stored names."""
        return frozenset(self._names)

    def add(self, *names: str) -> None:
        """Add names; they are on disk when this returns. Nothing is written if all are stored already."""
        if not self._names.issuperset(names):
            self._names.update(names)
            self._write(durable=True)

    def remove(self, name: str) -> None:
        """Remove a name. This is not forced to disk: one that a power cut brings back is only cleared again."""
        self._names.discard(name)
        self._write(durable=False)

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        try:
            with self._file.open("rb") as file:
                return file.read(_MAX_FILE_BYTES).decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            _LOG.warning("%s cannot be read (%s): earlier announcements are not removed", self._file, error.strerror)
            return []

    def _write(self, *, durable: bool) -> None:
        if self._file is None:
            return
        try:
            if not self._names:
                self._file.unlink(missing_ok=True)
                return
            content = "".join(f"{name}\n" for name in sorted(self._names))
            write_atomically(self._file, content.encode(), durable=durable)
        except OSError as error:
            _LOG.warning(
                "%s cannot be written (%s): after a change of [homeassistant] or [zones] an old announcement may stay "
                "on the broker; remove it with `emotion-edge homeassistant remove`",
                self._file,
                error.strerror,
            )
