"""Remembers where this sensor has announced itself, so that it can be undone after the configuration changed."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.system.files import write_atomically

_LOG: Final = logging.getLogger(__name__)
_MOST_BYTES: Final = 65_536


class AnnouncedTopics:
    """Topics that may hold a retained message of ours, one a line in `file`; with None nothing is remembered.

    `known` tells a topic of ours from anything else that a file may hold. A file that cannot be read or
    written costs a line in the log: the message can still be removed by hand.
    """

    def __init__(self, file: Path | None, known: Callable[[str], bool]) -> None:
        self._file = file
        self._topics = {topic for topic in self._read() if known(topic)}

    @property
    def topics(self) -> frozenset[str]:
        """What is remembered."""
        return frozenset(self._topics)

    def add(self, topic: str) -> None:
        """Remember a topic, on disk when this returns. Nothing is written where it is remembered already."""
        if topic not in self._topics:
            self._topics.add(topic)
            self._write(forced=True)

    def remove(self, topic: str) -> None:
        """Forget a topic. Without haste: one that comes back is only cleared twice."""
        self._topics.discard(topic)
        self._write(forced=False)

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        try:
            with self._file.open("rb") as file:
                return file.read(_MOST_BYTES).decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            _LOG.warning("%s cannot be read (%s)", self._file, error.strerror)
            return []

    def _write(self, *, forced: bool) -> None:
        if self._file is None:
            return
        try:
            if not self._topics:
                self._file.unlink(missing_ok=True)
                return
            content = "".join(f"{topic}\n" for topic in sorted(self._topics))
            write_atomically(self._file, content.encode(), durable=forced)
        except OSError as error:
            _LOG.warning(
                "%s cannot be written (%s): after a change of [homeassistant] an old announcement may stay with the "
                "broker until `emotion-edge homeassistant remove`",
                self._file,
                error.strerror,
            )
