"""Puts what the fleet wants over a configuration that was loaded: below what requests set, above the file."""

import dataclasses
from pathlib import Path
from typing import Any

from edge.config.loader import Loaded
from edge.config.settable import check_desired
from edge.config.settings import read_setting
from edge.desired.selection import Choice
from edge.errors import ConfigError


def read_settings(choice: Choice) -> dict[str, Any]:
    """Return the settings of a choice as the configuration has them.

    Raises ConfigError, a sentence that begins with a key, where a document must not set one, or the key does not take
    the value.
    """
    settings = {}
    for name, value in choice.settings.items():
        check_desired(name)
        settings[name] = read_setting(name, value)
    return settings


def model_file(choice: Choice, folder: Path) -> Path | None:
    """Return where the model of a choice is kept; None where it has none."""
    return None if choice.files is None else folder / f"{choice.files}.tflite"


def manifest_file(choice: Choice, folder: Path) -> Path | None:
    """Return where the manifest of that model is kept, beside it as `edge.vision.classification.manifest` wants it."""
    return None if choice.files is None else folder / f"{choice.files}.json"


def overlaid(loaded: Loaded, choice: Choice | None, folder: Path) -> Loaded:
    """Return what was loaded with a choice over it. Raises ConfigError where the two do not fit each other."""
    if choice is None:
        return loaded
    settings = read_settings(choice)
    model = model_file(choice, folder)
    if model is not None:
        settings["model.name"] = str(model)
    tables: dict[str, Any] = {name: dict(table) for name, table in loaded.tables.items()}
    for name, value in settings.items():
        table, _, key = name.partition(".")
        if key:
            tables[table][key] = value
        else:
            tables[table] = value
    result = dataclasses.replace(loaded, tables=tables)
    try:
        result.with_settings({})
    except ConfigError as error:
        raise ConfigError(f"{error} (with the settings of the fleet's document)") from None
    return result
