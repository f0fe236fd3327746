"""What a configuration that is read again changes: some of it at once, the rest with the next start."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from edge.config.schema import Config
from edge.daemon.check import check_next_start
from edge.errors import EdgeError
from edge.messages.payload_builder import PayloadBuilder
from edge.vision.detection.detector import Detector

log = logging.getLogger(__name__)

LIVE: Final = frozenset(
    {
        "device.name",
        "detector",
        "model.max_faces",
        "labels",
        "tracker",
        "events",
        "mqtt.drain_seconds",
        "health",
        "budget.latency_ms",
    }
)
"""Tables and keys that change while the sensor runs: what a person tries out until it suits, and nothing that
a camera, a connection or an interpreter was opened with. Of these, opening another one may fail, and then
there would be no sensor where there was one; systemd's restart is made for that."""


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """From the configuration in force to one that was read again.

    `config`: what is in force from here on. `live`: dotted keys that it changes. `restart`: keys that differ
    in the file too, but keep their value until the next start.
    """

    config: Config
    live: tuple[str, ...]
    restart: tuple[str, ...]

    def touches(self, table: str) -> bool:
        """Whether a key of that table changes now."""
        return any(key.partition(".")[0] == table for key in self.live)

    def __str__(self) -> str:
        """Say for the log what became of it."""
        parts = [f"changed: {', '.join(self.live)}"] if self.live else []
        parts += [f"restart needed for: {', '.join(self.restart)}"] if self.restart else []
        return f"the configuration was read again; {'; '.join(parts) or 'nothing in it has changed'}"


def diff_configs(in_force: Config, read: Config) -> ConfigDiff:
    """Return what `read` changes of the configuration in force."""
    tables: dict[str, Any] = {}
    live: list[str] = []
    restart: list[str] = []
    for name in Config.__struct_fields__:
        old, new = getattr(in_force, name), getattr(read, name)
        differing = [key for key in _keys(old, new) if _value(old, key) != _value(new, key)]
        now = [key for key in differing if _is_live(name, key)]
        live += [f"{name}.{key}" for key in now]
        restart += [f"{name}.{key}" for key in differing if key not in now]
        if isinstance(old, dict):
            tables[name] = new if name in LIVE else old
        else:
            tables[name] = msgspec.structs.replace(old, **{key: getattr(new, key) for key in now})
    return ConfigDiff(Config(**tables), tuple(live), tuple(restart))


class Reloader:
    """Reads the configuration again when asked to. `read_again` gives it as its file has it by then."""

    def __init__(self, read_again: Callable[[], Config]) -> None:
        self._read_again = read_again
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask for it; safe from a signal handler."""
        self._asked.set()

    def take(self) -> bool:
        """Whether it was asked for since the last time."""
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    def read(self, in_force: Config, composer: PayloadBuilder) -> tuple[ConfigDiff, Detector | None] | None:
        """Return what changes, and the detector where that changes; None where nothing may, which the log has then.

        All that could fail has happened on return: what is left to do is to use it. The composer uses it already.
        """
        try:
            read = self._read_again()
            change = diff_configs(in_force, read)
            check_next_start(read, change.restart)
            detector = Detector(change.config.detector) if change.touches("detector") else None
            composer.regroup(change.config.labels)
        except EdgeError as error:
            log.error("the configuration is refused, and the one before stays in force: %s", error)  # noqa: TRY400
            return None
        log.log(logging.WARNING if change.restart else logging.INFO, "%s", change)
        return change, detector


def _is_live(table: str, key: str) -> bool:
    return table in LIVE or f"{table}.{key}" in LIVE


def _keys(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - a table of the configuration, or the groups of labels
    if isinstance(old, dict):
        return sorted({*old, *new})
    return list(old.__struct_fields__)


def _value(table: Any, key: str) -> object:  # noqa: ANN401 - as in _keys
    return table.get(key) if isinstance(table, dict) else getattr(table, key)
