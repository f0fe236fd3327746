"""Merges what requests have set into a configuration that was loaded. Pure functions.

The rules (docs/configuration.md): a setting is in force if the configuration allows it and it is valid. Settings that
are valid one by one and do not fit the rest are ignored, all those of the table with which the error begins.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from edge.config.areas import AREA_EXAMPLES
from edge.config.keys import EXAMPLE_GROUPS, FREE_TABLES, KEYS, LABELS, VALENCE, expected
from edge.config.loader import Loaded, read_value
from edge.config.schema import Config
from edge.config.settable import allowed_settings, check_allowed
from edge.errors import ConfigError, EdgeError
from edge.redact import quoted

SettingsCheck = Callable[[Config, Collection[str]], None]
"""Tries the named tables of a configuration beyond their types. Raises EdgeError, a sentence that begins with a key."""

_TABLE_FIRST: Final = re.compile(r"([a-z]+)\.")
_EXAMPLES: Final[Mapping[str, Mapping[str, object]]] = {
    LABELS: dict(EXAMPLE_GROUPS[:1]),
    VALENCE: {"surprise": 0},
    **{table: {name: polygon[:3]} for table, (name, polygon) in AREA_EXAMPLES.items()},
}
"""Example of each table that is set as a whole."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A configuration with settings over it.

    `settings`: those in force, values by name (`allowed_settings`). `ignored`: why the others are not, by name.
    """

    config: Config
    settings: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


def read_setting(name: str, value: object) -> object:
    """Return the value of a setting as the configuration has it. Raises ConfigError where the key does not take it."""
    table, _, key = name.partition(".")
    if table not in FREE_TABLES:
        if value is None and not _takes_null(table, key):
            raise ConfigError(f"{name} is null, but must be {expected(KEYS[table][key])}")
        return read_value(table, key, value)
    if not isinstance(value, dict):
        example = msgspec.json.encode(_EXAMPLES[table]).decode()
        raise ConfigError(f"{name} is {quoted(value)}, but must be a JSON object, as in {example}")
    return {str(one): read_value(table, str(one), each) for one, each in value.items()}


def merge(loaded: Loaded, settings: Mapping[str, object], check: SettingsCheck | None = None) -> Merged:
    """Return the configuration with those of `settings` that the configuration allows and that are valid.

    `settings`: values by name, as JSON has them. Raises ConfigError where the configuration itself cannot be used.
    """
    base = loaded.config()
    allowed = allowed_settings(base.requests)
    accepted: dict[str, Any] = {}
    ignored: dict[str, str] = {}
    for name, value in settings.items():
        try:
            check_allowed(name, allowed)
            accepted[name] = read_setting(name, value)
        except ConfigError as error:
            ignored[name] = str(error)
    while accepted:
        try:
            config = loaded.with_settings(accepted)
            if check is not None:
                check(config, {_table(name) for name in accepted})
        except EdgeError as error:
            for name in _at_fault(str(error), accepted):
                ignored[name] = str(error)
                del accepted[name]
        else:
            return Merged(config, accepted, ignored)
    return Merged(base, accepted, ignored)


def value_of(config: Config, name: str) -> Any:  # noqa: ANN401 - of any key
    """Return the value of a setting in a configuration."""
    table, _, key = name.partition(".")
    return getattr(getattr(config, table), key) if key else getattr(config, table)


def shown_setting(name: str, value: object, max_length: int = 80) -> str:
    """Return a setting for a log line, as in `events.margin = 0.3`; the areas of a table by their names."""
    if isinstance(value, dict):
        return f"[{name}] ({', '.join(value) or 'empty'})"
    text = msgspec.json.encode(value).decode()
    return f"{name} = {text if len(text) <= max_length else f'{text[: max_length - 3]}...'}"


def _at_fault(sentence: str, accepted: Collection[str]) -> list[str]:
    """Return the settings of the table with which an error begins; all of them where that has none."""
    found = _TABLE_FIRST.match(sentence)
    return [name for name in accepted if found is not None and _table(name) == found[1]] or list(accepted)


def _table(name: str) -> str:
    return name.partition(".")[0]


def _takes_null(table: str, key: str) -> bool:
    try:
        msgspec.convert(None, KEYS[table][key])
    except msgspec.ValidationError:
        return False
    return True
