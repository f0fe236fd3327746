"""Reads a recipe's file, TOML or JSON, and names what is wrong in it: the key, its value, and what would be right."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from convert.data.augment import Augmentation
from convert.data.corruptions import CORRUPTIONS
from convert.errors import ConvertError
from convert.training.recipe import Recipe, Stage

_REQUIRED: Final = ("name", "stages")
"""Both have defaults in code. Without them a file would be the recipe of the model that ships, which takes hours."""
_MESSAGE: Final = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
"""The message of a `msgspec.ValidationError`."""
_TYPE: Final = re.compile(r"Expected `(?P<wanted>\w+)`, got `\w+`")
_LENGTH: Final = re.compile(r"Expected `array` of length (?P<length>\d+), got \d+")
_TYPE_NAMES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_CHOICES: Final = {
    key: " or ".join(map(repr, get_args(kind)))
    for key, kind in get_type_hints(Recipe).items()
    if get_origin(kind) is Literal
}
"""What each key with a choice of texts may be."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe's file: TOML where its name ends in .toml, JSON where it ends in .json, else what it looks like.

    Raises ConvertError where it cannot be read, lacks a required key, has an unknown key at any level, or has a value
    of the wrong type or out of its range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text) if _is_toml(path, text) else json.loads(text, object_pairs_hook=_object)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{_form(path)} is expected: {error}"
        msg = f"{path} is not a recipe of emotion-convert: {reason}"
        raise ConvertError(msg) from error
    if not isinstance(raw, dict):
        msg = f"{path} is not a recipe of emotion-convert: a table with the keys name and stages is expected"
        raise ConvertError(msg)
    problem = _key_problem(raw)
    if problem is None:
        try:
            return msgspec.convert(raw, Recipe)
        except msgspec.ValidationError as error:
            problem = _value_problem(str(error), raw)
    msg = f"{path}: {problem}"
    raise ConvertError(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        msg = f"the key {twice!r} is there twice"
        raise ValueError(msg)
    return dict(pairs)


def _is_toml(path: Path, text: str) -> bool:
    known = {".toml": True, ".json": False}
    return known.get(path.suffix.lower(), not text.lstrip().startswith("{"))


def _form(path: Path) -> str:
    return {".toml": "TOML", ".json": "JSON"}.get(path.suffix.lower(), "TOML or JSON")


def _tables(raw: dict[str, Any]) -> Iterator[tuple[str, object, list[str], list[str]]]:
    """Yield each table of a recipe's file: its place, the table, its known keys, and those that it must have."""
    yield "", raw, _keys(Recipe), list(_REQUIRED)
    stages = raw.get("stages")
    for number, stage in enumerate(stages if isinstance(stages, list) else []):
        place = f"stages[{number}]"
        yield place, stage, _keys(Stage), [field.name for field in fields(Stage) if field.default is MISSING]
        augmentation = stage.get("augmentation") if isinstance(stage, dict) else None
        yield f"{place}.augmentation", augmentation, _keys(Augmentation), []
        chances = augmentation.get("chances") if isinstance(augmentation, dict) else None
        yield f"{place}.augmentation.chances", chances, sorted(CORRUPTIONS), []


def _keys(kind: type[Recipe | Stage | Augmentation]) -> list[str]:
    return sorted(field.name for field in fields(kind))


def _key_problem(raw: dict[str, Any]) -> str | None:
    """Return which key is missing or unknown; None where there is none. msgspec ignores a key that it does not know."""
    for place, table, known, required in _tables(raw):
        if not isinstance(table, dict):
            continue
        where = f" in {place}" if place else ""
        unknown = sorted(set(table) - set(known))
        if unknown:
            return f"unknown key {unknown[0]!r}{where}; known are {', '.join(known)}"
        missing = [name for name in required if name not in table]
        if missing:
            return f"{missing[0]!r} is missing{where}; required are {', '.join(required)}"
    return None


def _value_problem(message: str, raw: object) -> str:
    """Return msgspec's message as a sentence that names place and value."""
    found = _MESSAGE.fullmatch(message)
    problem, place = (found["problem"], found["place"] or "") if found else (message, "")
    place, value = _at(raw, place)
    if place in _CHOICES:
        return f"{place} = {value!r} must be {_CHOICES[place]}"
    length, wanted = _LENGTH.match(problem), _TYPE.match(problem)
    if length:
        return f"{place} = {value!r} must be a list of {length['length']} values"
    if wanted:
        return f"{place} = {value!r} must be {_TYPE_NAMES.get(wanted['wanted'], wanted['wanted'])}"
    # A sentence of the dataclass itself, which begins with the key.
    return f"{place}.{problem}" if place else problem


def _at(raw: object, place: str) -> tuple[str, object]:
    """Return the value at a place such as `stages[0].epochs`, and the place.

    msgspec gives `chances[...]` for a value of a dict; the only dict is that of chances, which must be numbers.
    """
    value: Any = raw
    for step in re.findall(r"[^.\[\]]+|\.\.\.", place):
        if step == "...":
            name = next(key for key, chance in value.items() if type(chance) not in {int, float})
            return place.replace("[...]", f".{name}"), value[name]
        value = value[int(step)] if isinstance(value, list) else value[step]
    return place, value
