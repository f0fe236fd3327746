"""Remembers that the sensor was asked not to look, over restarts and power cuts."""

import logging
from pathlib import Path
from typing import Final

from edge.system.files import sync_folder

_LOG: Final = logging.getLogger(__name__)


class PauseFile:
    """A file that is there while the sensor is paused; with None it is not remembered.

    Who asked a sensor not to look means it until they say otherwise, and not until somebody pulls the plug.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    @property
    def file(self) -> Path | None:
        """Where it is."""
        return self._file

    @property
    def is_set(self) -> bool:
        """Whether it was paused when it ended."""
        return self._file is not None and self._file.exists()

    def set(self, paused: bool) -> None:  # noqa: FBT001 - what else could it be
        """Remember whether it is paused; on disk when this returns. A disk that fails costs a line in the log."""
        if self._file is None or self.is_set is paused:
            return
        try:
            if paused:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            else:
                self._file.unlink(missing_ok=True)
            sync_folder(self._file.parent)
        except OSError as error:
            what = "looks again" if paused else "is paused"
            _LOG.warning("%s cannot be changed (%s): after a restart the sensor %s", self._file, error.strerror, what)
