"""Stores on disk that capture is paused, so that a pause outlives restarts and power cuts."""

import logging
from pathlib import Path
from typing import Final

from edge.system.files import sync_folder

_LOG: Final = logging.getLogger(__name__)


class PauseFile:
    """A file that exists while capture is paused. With None nothing is stored.

    A pause protects the people in view. It must last until a request ends it, and not until the next power cut.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    @property
    def file(self) -> Path | None:
        """Path of the file."""
        return self._file

    @property
    def is_set(self) -> bool:
        """Whether the file exists: capture was paused when the sensor last stopped."""
        try:
            return self._file is not None and self._file.exists()
        except OSError as error:  # pathlib's, for a folder that this user may not search
            _LOG.warning("%s cannot be read (%s): the sensor is not paused", self._file, error.strerror)
            return False

    def set(self, paused: bool) -> None:  # noqa: FBT001 - the name states the meaning
        """Create or remove the file; the change is on disk when this returns. A failing disk is logged, not raised."""
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
            state = "is not paused" if paused else "is paused"
            _LOG.warning("%s cannot be changed (%s): after a restart the sensor %s", self._file, error.strerror, state)
