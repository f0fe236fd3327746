"""Reloads the configuration: applies the keys that can change while the sensor runs, and names the others."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.config.keys import is_reloadable
from edge.config.schema import Config
from edge.daemon.cascade_trial import warn_of_unfit_cascades
from edge.daemon.check import check_next_start, log_missing_weights
from edge.daemon.finder_trial import warn_of_unfit_finder
from edge.errors import EdgeError
from edge.messages.payload_builder import PayloadBuilder
from edge.vision.detection.detector import Detector

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """Difference between the configuration in force and one that was loaded again.

    `config`: the configuration in force after the reload. `live`: dotted keys that the reload changes. `restart`:
    dotted keys that differ too, but keep their value until the next start.
    """

    config: Config
    live: tuple[str, ...]
    restart: tuple[str, ...]

    def touches(self, table: str) -> bool:
        """Return whether the reload changes a key of a table."""
        return any(key.partition(".")[0] == table for key in self.live)

    def __str__(self) -> str:
        """Return the line for the log."""
        parts = [f"changed: {', '.join(self.live)}"] if self.live else []
        parts += [f"restart needed for: {', '.join(self.restart)}"] if self.restart else []
        return f"configuration reloaded; {'; '.join(parts) or 'nothing has changed'}"


def diff_configs(in_force: Config, loaded: Config) -> ConfigDiff:
    """Return what a reload changes from the configuration in force towards the one that was loaded."""
    tables: dict[str, Any] = {}
    live: list[str] = []
    restart: list[str] = []
    for name in Config.__struct_fields__:
        old, new = getattr(in_force, name), getattr(loaded, name)
        differing = [key for key in _keys(old, new) if _value(old, key) != _value(new, key)]
        now = [key for key in differing if is_reloadable(name, key)]
        live += [f"{name}.{key}" for key in now]
        restart += [f"{name}.{key}" for key in differing if key not in now]
        if isinstance(old, dict):
            # Groups or weights of labels: a reload applies all of them or none.
            tables[name] = new if now else old
        else:
            tables[name] = msgspec.structs.replace(old, **{key: getattr(new, key) for key in now})
    return ConfigDiff(Config(**tables), tuple(live), tuple(restart))


class Reloader:
    """Loads the configuration again when a signal requests it. `load_config` returns what the file holds by then."""

    def __init__(self, load_config: Callable[[], Config], with_origin: Callable[[str], str] = str) -> None:
        """`with_origin` puts the file in front of an error that begins with a key."""
        self._load_config = load_config
        self._with_origin = with_origin
        self._requested = threading.Event()

    def request(self) -> None:
        """Request a reload. Safe in a signal handler."""
        self._requested.set()

    def take_request(self) -> bool:
        """Return whether a reload was requested since the last call."""
        requested = self._requested.is_set()
        self._requested.clear()
        return requested

    def load(self, in_force: Config, builder: PayloadBuilder) -> tuple[ConfigDiff, Detector | None] | None:
        """Load the configuration and return its changes, with a new detector where these need one.

        Everything that can fail has been done on return, and `builder` uses the new groups and weights already. Returns
        None, and logs the reason, where the configuration cannot be used; the one in force stays.
        """
        try:
            loaded = self._load_config()
            diff = diff_configs(in_force, loaded)
            check_next_start(loaded, diff.restart)
            detector = prepare(diff, builder)
        except EdgeError as error:
            reason = self._with_origin(str(error))
            log.error("the new configuration is refused, and the one in force stays: %s", reason)  # noqa: TRY400
            return None
        log.log(logging.WARNING if diff.restart else logging.INFO, "%s", diff)
        return diff, detector


def prepare(diff: ConfigDiff, builder: PayloadBuilder) -> Detector | None:
    """Do all that can fail before a change is applied; returns a new detector where the change needs one.

    `builder` uses the new groups and weights on return. Raises EdgeError, and has changed nothing then.
    """
    detector = Detector(diff.config.detector) if diff.touches("detector") else None
    if detector is not None:
        warn_of_unfit_cascades(diff.config.detector)
        warn_of_unfit_finder(detector.finder)
    builder.configure(diff.config.labels, diff.config.valence)
    if diff.touches("valence"):
        log_missing_weights(builder)
    return detector


def _keys(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - a table, or groups or weights of labels
    if isinstance(old, dict):
        return sorted({*old, *new})
    return list(old.__struct_fields__)


def _value(table: Any, key: str) -> object:  # noqa: ANN401 - as in _keys
    return table.get(key) if isinstance(table, dict) else getattr(table, key)
