"""Reads what the schema declares at a configuration key: its type, range and description, and the marks in `extra`."""

import difflib
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect

from edge.config.areas import AREA_MEANINGS, AREA_TABLES
from edge.config.credentials import shown_broker_url
from edge.config.schema import Config
from edge.redact import redacted

_MAX_LISTED_NAMES: Final = 40
"""Maximum number of names in a message. No table has as many keys; the variables of all tables would fill a screen."""

LABELS: Final = "labels"
"""A table without fixed keys: each key names a group of labels."""
VALENCE: Final = "valence"
"""A table without fixed keys: each key is a label, with its weight."""
FREE_TABLES: Final = (LABELS, VALENCE, *AREA_TABLES)
"""Tables whose keys are names that the user chooses."""

FREE_TABLE_MEANINGS: Final = {
    LABELS: "Groups of labels: events and states also name the group of a face, and give each group's probability. "
    "Each key names a group, and lists labels of the model; a label belongs to one group at most.",
    VALENCE: "Weights of labels for valence, which says how pleasant an expression looks, from -1 to 1. Each key is a "
    "label of the model. Labels that are not named here have the default weight of their name, if it has one.",
    **AREA_MEANINGS,
}
"""What each of these tables holds, for people."""
EXAMPLE_GROUPS: Final = (("positive", ["happy", "surprise"]), ("negative", ["angry", "disgust", "fear", "sad"]))
"""Groups of labels as an example."""

_ANNOTATIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Config)}
SECTIONS: Final[Mapping[str, Any]] = {
    name: get_args(kind)[0] if get_origin(kind) is Annotated else kind
    for name, kind in _ANNOTATIONS.items()
    if name not in FREE_TABLES
}
"""Struct of each table that has fixed keys, by the table's name."""
TABLES: Final = (*SECTIONS, *FREE_TABLES)
"""Names of all tables."""

KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    table: {field.name: field.type for field in msgspec.structs.fields(section)} for table, section in SECTIONS.items()
}
"""Annotation of each key, by the names of table and key."""


def is_reloadable(table: str, key: str) -> bool:
    """Return whether a reload applies a key: the schema marks the key or its whole table."""
    return _is_marked("reload", _ANNOTATIONS[table]) or _is_marked("reload", KEYS.get(table, {}).get(key))


def why_not_settable(table: str, key: str) -> str | None:
    """Return why no request may ever set a key, as the end of a sentence; None where `requests.settable` may name it.

    What decides on requests is never settable: who may set one key must not get at another.
    """
    mine = KEYS.get(table, {}).get(key)
    if _is_marked("secret", mine) or _is_marked("broker_url", mine):
        return "it may name a secret"
    if _is_marked("file", mine):
        return "it names a file of this machine"
    if table == "requests":
        return "it decides on requests"
    return None if is_reloadable(table, key) else "a change of it needs a restart"


def nearest(word: str, known: Collection[str], prefix: str = "") -> str:
    """Return the end of a sentence about an unknown name: the known one that is alike, else all of them."""
    # What all of them begin with would make any two of them alike.
    close = difflib.get_close_matches(word.removeprefix(prefix), [name.removeprefix(prefix) for name in known], n=1)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    if len(known) > _MAX_LISTED_NAMES:
        return "; `emotion-edge config show` lists all keys"
    return f"; known are {', '.join(sorted(known))}"


def redacted_config(config: Config) -> dict[str, dict[str, Any]]:
    """Return a configuration, by table and key, without what strangers must not see.

    `***` stands for the value of a key that the schema marks as secret, and for credentials in a URI.
    """
    tables: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    return {
        table: {key: _redacted(KEYS.get(table, {}).get(key), value) for key, value in keys.items()}
        for table, keys in tables.items()
    }


def describe(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """Return a key's description, with its range or its choices in brackets."""
    text = next((meta.description for meta in _metas(annotation)), None) or ""
    taken = expected(annotation).removeprefix("a whole number ").removeprefix("a number ")
    return f"{text} [{taken}]" if taken.startswith(("from ", "one of ")) else text


def example(annotation: Any) -> object:  # noqa: ANN401 - any annotation
    """Return an example of what a key takes; None where the schema has none."""
    return next((one for meta in _metas(annotation) for one in meta.examples or ()), None)


def expected(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """Return what a key takes, in words and with its range, such as "a whole number from 1 to 16"."""
    return _words(inspect.type_info(annotation))


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata():
            return (info.extra_json_schema or {}).get("title") or _words(info.type)
        case inspect.UnionType():
            return " or ".join(_words(part) for part in info.types if not isinstance(part, inspect.NoneType))
        case inspect.LiteralType():
            return "one of " + ", ".join(str(value) for value in info.values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            word = "a whole number" if isinstance(info, inspect.IntType) else "a number"
            return word if info.ge is None else f"{word} from {info.ge:g} to {info.le:g}"
        case inspect.StrType():
            if info.pattern:
                return f"text matching {info.pattern}"
            most = "" if info.max_length is None else f" of at most {info.max_length} characters"
            return f"text{most}{' (not empty)' * bool(info.min_length)}"
        case inspect.ListType():
            most = "" if info.max_length is None else f"at most {info.max_length} "
            item = info.item_type
            title = (item.extra_json_schema or {}).get("title") if isinstance(item, inspect.Metadata) else None
            return f"a list of {most}{title or 'labels'}"
    return "of another type"


def _redacted(annotation: Any, value: object) -> object:  # noqa: ANN401 - any annotation, None for a group of labels
    if value and _is_marked("secret", annotation):
        return "***"
    if isinstance(value, list):
        return [_redacted(annotation, item) for item in value]
    if not isinstance(value, str):
        return value
    return shown_broker_url(value) if _is_marked("broker_url", annotation) else redacted(value)


def _is_marked(mark: str, annotation: Any) -> bool:  # noqa: ANN401 - any annotation, or None
    return any((meta.extra or {}).get(mark, False) for meta in _metas(annotation))


def _metas(annotation: Any) -> list[msgspec.Meta]:  # noqa: ANN401 - any annotation, or None
    return [part for part in get_args(annotation) if isinstance(part, msgspec.Meta)]
