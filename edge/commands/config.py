"""`emotion-edge config`: checks or prints the configuration that file, environment and flags result in."""

import argparse
import re
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from edge.commands.common import find_fleet, find_loaded, find_origins, find_settings
from edge.config.areas import AREA_EXAMPLES
from edge.config.credentials import read_password
from edge.config.keys import (
    EXAMPLE_GROUPS,
    FREE_TABLE_MEANINGS,
    FREE_TABLES,
    KEYS,
    LABELS,
    SECTIONS,
    VALENCE,
    describe,
    example,
)
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.config.settings import value_of
from edge.control.settings import Settings
from edge.messages.valence import RATINGS, default_weight
from edge.redact import redacted
from edge.system import board

_BARE_KEY: Final = re.compile("[A-Za-z0-9_-]+")
"""Key that TOML takes without quotation marks."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Check or print the configuration; returns the exit code. Raises EdgeError where the check fails."""
    if arguments.action == "show":
        # One after the other: a password that cannot be read hides no key.
        settings, loaded = find_settings(arguments, config), find_loaded(arguments)
        sys.stdout.write(f"# Values: {find_origins(arguments).summary()}.\n")
        sys.stdout.write("".join(f"# Settings that are not in force: {one}.\n" for one in settings.ignored) + "\n")
        notes = {**_fleet_notes(arguments, config), **{name: _set_note(settings, name) for name in settings.names}}
        shown = settings.config
        if loaded.id_derived or not shown.device.id:
            # Empty, as in the file: in a copy of this text on another machine the id would no longer be of that one.
            notes["device.id"] = f"# Empty here: the id is {board.device_id(shown.device.id)}."
            shown = msgspec.structs.replace(shown, device=msgspec.structs.replace(shown.device, id=""))
        sys.stdout.write(to_toml(shown, notes))
        sys.stdout.write(secret_note(config.mqtt))
        return 0
    # The check loads OpenCV and the model, which `show` does not need.
    from edge.daemon.check import check, check_settings  # noqa: PLC0415

    check(config)
    find_settings(arguments, config, check_settings).log_ignored()
    sys.stdout.write(f"the configuration can be used: {find_origins(arguments).summary()}\n")
    return 0


def secret_note(mqtt: MqttConfig) -> str:
    """Return a TOML comment on whether a password was found; it never holds the password."""
    if not mqtt.url:
        return ""
    found = "(redacted)" if read_password(mqtt) else "none found"
    return f"\n# mqtt password: {found}\n"


def _fleet_notes(arguments: argparse.Namespace, config: Config) -> dict[str, str]:
    """Return the comments above what the fleet's document has set, by dotted key or table."""
    progress = find_fleet(arguments)
    if progress is None or progress.in_force is None:
        return {}
    names = [*progress.in_force.settings, *(["model.name"] if progress.in_force.model is not None else [])]
    return {name: f"# Set by the fleet{_in_place_of(value_of(config, name))}." for name in names}


def _set_note(settings: Settings, name: str) -> str:
    """Return the comment above a key, or above a table that is set as a whole, that a request has set."""
    where = "" if settings.file.file is None else f" ({settings.file.file})"
    return f"# Set by a request{where}{_in_place_of(settings.configured(name))}."


def _in_place_of(before: object) -> str:
    """Return the end of a comment: the value that a key would have."""
    if isinstance(before, dict):
        return (
            f", in place of the table of the configuration: {', '.join(before)}"
            if before
            else ", in place of an empty table"
        )
    return f", in place of {'none' if before is None else msgspec.json.encode(before).decode()}"


def to_toml(config: Config, notes: Mapping[str, str] | None = None) -> str:
    """Write a configuration as TOML with a description above each key; `load` reads back the same.

    `notes`: comments by dotted key, or by the name of a table. Only an address can hold a secret. A comment above it
    warns those who show the output to others.
    """
    lines: list[str] = []
    for section, table in msgspec.to_builtins(config).items():
        lines += [*_meaning(section), *_note(notes, section), f"[{section}]"]
        if section == VALENCE:
            lines += _default_weights(table)
        elif section in FREE_TABLES and not table:
            examples = EXAMPLE_GROUPS if section == LABELS else (AREA_EXAMPLES[section],)
            lines += (f"# Example: {name} = {msgspec.json.encode(value).decode()}" for name, value in examples)
        for key, value in table.items():
            if section not in FREE_TABLES:
                lines.append(f"# {describe(KEYS[section][key])}")
                lines += _example(section, key, value)
                lines += _note(notes, f"{section}.{key}")
            if isinstance(value, str) and "://" in value and redacted(value) != value:
                lines.append("# The next line may hold credentials: remove them before you show this to others.")
            # A JSON string, number, boolean or list is also a TOML one; TOML has no null.
            name = key if _BARE_KEY.fullmatch(key) else msgspec.json.encode(key).decode()
            lines.append(f"# {name} =" if value is None else f"{name} = {msgspec.json.encode(value).decode()}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _note(notes: Mapping[str, str] | None, name: str) -> list[str]:
    return [notes[name]] if notes and name in notes else []


def _meaning(section: str) -> list[str]:
    """Return the comment above a table."""
    if section in FREE_TABLES:
        return [f"# {FREE_TABLE_MEANINGS[section]}"]
    return [f"# {(SECTIONS[section].__doc__ or '').partition(chr(10))[0]}"]


def _default_weights(table: dict[str, float]) -> list[str]:
    """Return the default weights of labels as a comment, and an example where `table` has no weight."""
    defaults = ", ".join(f"{label} {default_weight(label):g}" for label in RATINGS)
    return [
        f"# Defaults, also under the other names of the labels: {defaults}",
        *["# Example: surprise = 0"][: not table],
    ]


def _example(section: str, key: str, value: object) -> list[str]:
    """Return a comment with an example of a key that has no value."""
    found = example(KEYS[section][key])
    return (
        []
        if value or value is False or found is None
        else [f"# Example: {key} = {msgspec.json.encode(found).decode()}"]
    )
