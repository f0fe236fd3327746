"""Holds what requests have set over the configuration, and prepares each change of it."""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from edge.config.loader import Loaded, tables_of
from edge.config.schema import Config
from edge.config.settable import allowed_settings, check_allowed
from edge.config.settings import Merged, SettingsCheck, merge, value_of
from edge.config.state_dir import settings_file
from edge.control.settings_file import SettingsFile
from edge.errors import ConfigError
from edge.messages.payloads import Setting
from edge.system import board

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """A change that can be made: the configuration that it leads to, and `store`, which makes it last.

    `store` raises ConfigError where the change cannot be written; nothing is changed then.
    """

    config: Config
    store: Callable[[], None]


class Settings:
    """The settings of one sensor. Used by the pipeline's thread alone, after construction.

    What requests have set is kept as they have set it, also where the configuration no longer allows it or it is no
    longer valid: it is ignored then. `loaded`: the configuration without settings. `check`: tries a configuration
    beyond its types. Construction reads the file, and never fails over what is in it.
    """

    def __init__(self, loaded: Loaded, file: SettingsFile, check: SettingsCheck | None = None) -> None:
        """Raises ConfigError where the configuration itself cannot be used."""
        self._loaded, self._file, self._check = loaded, file, check
        self._logged: set[str] = set()
        self._offered: tuple[Loaded, dict[str, Any], str | None, Merged] | None = None
        self._stored, self._damage = self._read(loaded, {})
        self._merged = merge(loaded, self._stored, check)

    @property
    def config(self) -> Config:
        """The configuration with the settings that are in force."""
        return self._merged.config

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the settings that are in force."""
        return tuple(self._merged.settings)

    @property
    def file(self) -> SettingsFile:
        """Where the settings are stored."""
        return self._file

    @property
    def ignored(self) -> list[str]:
        """Why settings are not in force, a sentence each."""
        sentences = dict.fromkeys(self._merged.ignored.values())
        where = "" if self._file.file is None else f"{self._file.file}: "
        return [*([] if self._damage is None else [self._damage]), *(f"{where}{one}" for one in sentences)]

    def log_ignored(self) -> None:
        """Log why settings are not in force, each sentence once."""
        for sentence in self.ignored:
            if sentence not in self._logged:
                self._logged.add(sentence)
                _LOG.warning("settings that are not in force: %s", sentence)

    def configured(self, name: str) -> Any:  # noqa: ANN401 - of any key
        """Return the value that a setting has in the configuration alone."""
        return value_of(self._loaded.config(), name)

    def describe(self, config: Config) -> dict[str, Setting]:
        """Return each key that may be set, with its value in `config`, the configuration in force."""
        return {
            name: Setting(value=value_of(config, name), set=name in self._merged.settings)
            for name in allowed_settings(config.requests)
        }

    def set(self, changes: Mapping[str, object]) -> SettingsChange:
        """Prepare that requests set `changes`, values by name. Raises ConfigError where one of them cannot be set."""
        return self._change({**self._stored, **changes}, changes)

    def reset(self, names: Sequence[str] | None) -> SettingsChange:
        """Prepare that the settings of these names, or all, are undone. Raises ConfigError for an unknown name."""
        allowed = allowed_settings(self._loaded.config().requests)
        for name in names or ():
            if name not in self._stored:
                check_allowed(name, allowed)
        if not allowed:
            raise ConfigError("no setting can be undone: requests.settable in the configuration is empty")
        return self._change(
            {} if names is None else {name: value for name, value in self._stored.items() if name not in names}, ()
        )

    def offer(self, loaded: Loaded) -> Config:
        """Return what a reload of `loaded` would bring into force; the file of the settings is read again for it.

        `accept` brings it into force. Raises ConfigError where the configuration itself cannot be used.
        """
        stored, damage = self._read(loaded, self._stored)
        merged = merge(loaded, stored, self._check_changes)
        self._offered = loaded, stored, damage, merged
        return merged.config

    def accept(self) -> None:
        """Use from now on what was offered last."""
        if self._offered is not None:
            self._loaded, self._stored, self._damage, self._merged = self._offered
            self._offered = None

    def _change(self, stored: dict[str, Any], changes: Mapping[str, object] | tuple[()]) -> SettingsChange:
        merged = merge(self._loaded, stored, self._check_changes)
        # A change must be in force as a whole, and must not put another setting out of force.
        for name, sentence in merged.ignored.items():
            if name in changes or name not in self._merged.ignored:
                raise ConfigError(sentence)
        # As the file will have them: the configuration has pairs for corners, and JSON lists.
        stored = stored | msgspec.json.decode(msgspec.json.encode(merged.settings))

        def store() -> None:
            if stored != self._stored or self._damage is not None:
                self._file.write(stored)
            self._stored, self._damage, self._merged = stored, None, merged

        return SettingsChange(merged.config, store)

    def _check_changes(self, config: Config, tables: Collection[str]) -> None:
        """Try those of the tables that differ from what is in force: to load a detector takes a tenth of a second."""
        changed = [table for table in tables if getattr(config, table) != getattr(self._merged.config, table)]
        if self._check is not None and changed:
            self._check(config, changed)

    def _read(self, loaded: Loaded, kept: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Return what the file holds, and what is wrong with it. `kept`: what is in memory where there is no file."""
        if not allowed_settings(loaded.config().requests):
            return {}, None
        if self._file.file is None:
            return kept, None
        try:
            return self._file.read(), None
        except ConfigError as error:
            return {}, str(error)


def create_settings(
    loaded: Loaded, check: SettingsCheck | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings of the sensor that a configuration describes. `environ` names the state folder.

    Raises ConfigError where the configuration, or `mqtt.outbox_directory` in it, cannot be used.
    """
    config = loaded.config()
    try:
        file = settings_file(config.mqtt, board.device_id(config.device.id), environ)
    except ConfigError:
        if allowed_settings(config.requests):
            raise
        file = None  # what needs the folder says so itself
    return Settings(loaded, SettingsFile(file), check)


def without_settings(config: Config) -> Settings:
    """Return settings over a configuration that are kept in memory alone."""
    return Settings(tables_of(config), SettingsFile(None))
