"""Stores on which topics this sensor has announced itself, so that announcements can be removed later."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.system.files import write_atomically

_LOG: Final = logging.getLogger(__name__)
_MAX_FILE_BYTES: Final = 65_536


class AnnouncedTopics:
    """The topics that may hold a retained message of this sensor.

    `file`: holds one topic per line; with None the topics are kept in memory alone. `is_valid`: returns whether a line
    is a discovery topic of this sensor; other lines are ignored. A file that cannot be read or written is logged, not
    raised: the message can still be removed with `emotion-edge homeassistant remove`.
    """

    def __init__(self, file: Path | None, is_valid: Callable[[str], bool]) -> None:
        self._file = file
        self._topics = {topic for topic in self._read() if is_valid(topic)}

    @property
    def topics(self) -> frozenset[str]:
        """The stored topics."""
        return frozenset(self._topics)

    def add(self, topic: str) -> None:
        """Add a topic; it is on disk when this returns. Nothing is written if it is stored already."""
        if topic not in self._topics:
            self._topics.add(topic)
            self._write(durable=True)

    def remove(self, topic: str) -> None:
        """Remove a topic. This is not forced to disk: a topic that a power cut brings back is only cleared again."""
        self._topics.discard(topic)
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
            _LOG.warning(
                "%s cannot be read (%s): announcements on other topics are not removed", self._file, error.strerror
            )
            return []

    def _write(self, *, durable: bool) -> None:
        if self._file is None:
            return
        try:
            if not self._topics:
                self._file.unlink(missing_ok=True)
                return
            content = "".join(f"{topic}\n" for topic in sorted(self._topics))
            write_atomically(self._file, content.encode(), durable=durable)
        except OSError as error:
            _LOG.warning(
                "%s cannot be written (%s): after a change of [homeassistant] an old announcement may stay on the "
                "broker; remove it with `emotion-edge homeassistant remove`",
                self._file,
                error.strerror,
            )
