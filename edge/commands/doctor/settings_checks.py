"""Checks for `doctor` what requests have set: which settings are in force, and why others are not."""

from typing import ClassVar

from edge.commands.doctor.checks import Check, Checks
from edge.config.schema import Config
from edge.config.settings import shown_setting, value_of
from edge.control.settings import Settings
from edge.errors import ConfigError


class SettingsChecks(Checks):
    """Checks the settings. All other checks use the configuration with the settings that are in force."""

    conditional: ClassVar[frozenset[str]] = frozenset({"settings"})

    def __init__(self, config: Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    def by_name(self) -> dict[str, Check]:
        """Return the check by name, where requests may set anything."""
        return {"settings": self._check} if self._settings.describe(self.config) else {}

    def _check(self) -> str:
        """Return what is in force; warn of each setting that is not. Raises ConfigError where none can be stored."""
        for sentence in self._settings.ignored:
            self.warn(f"{sentence} (request/reset undoes a setting)")
        file = self._settings.file
        if file.file is None:
            self.warn('settings last until the next start only, because mqtt.outbox_directory is "none"')
        elif not file.can_write():
            raise ConfigError(
                f"settings file {file.file} could not be written: this user needs the right to write its folder"
            )
        names = self._settings.names
        if not names:
            return "none: the values are those of the configuration"
        return "set by requests: " + ", ".join(shown_setting(name, value_of(self.config, name)) for name in names)
