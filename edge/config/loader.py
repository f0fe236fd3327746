"""Reads the configuration from file, environment and flags, and says what is wrong with it."""

import difflib
import math
import os
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from msgspec import inspect

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.redact import named, shown

PREFIX: Final = "EMOTION_EDGE_"
CONFIG_VARIABLE: Final = "EMOTION_EDGE_CONFIG"
_NOT_KEYS: Final = {
    CONFIG_VARIABLE,
    "EMOTION_EDGE_DATA",
    "EMOTION_EDGE_EXPECT_RUNTIME",
    "EMOTION_EDGE_MQTT_PASSWORD",
    "EMOTION_EDGE_PREVIEW_TOKEN",
}
"""Variables of this prefix that set no key: a path, the test data, a check of the tests, the secrets."""

_NO_TEXT: Final = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories of what would break a line of the log, a topic or a path: control characters, half characters
(of a variable that is no UTF-8), ends of lines."""

_MOST_NAMED: Final = 40
"""Keys that a message may list: no table has so many, and the variables of all tables would fill a screen."""

_SECTIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Config)}
_TABLES: Final = {name: kind for name, kind in _SECTIONS.items() if name != "labels"}


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Build the configuration: defaults, then the file, then `EMOTION_EDGE_...`, then flags.

    `path`: TOML file, else `$EMOTION_EDGE_CONFIG`, else no file. `flags`: values by dotted key, such
    as `{"source.uri": "0"}`. Raises ConfigError, one sentence that names origin, key, value and range.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    tables: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    if path is not None:
        for section, key, value in _flat(_parse(path), str(path)):
            tables[section][key] = _value(section, key, value, str(path), strict=True)
    for variable, (section, key), text in _variables(environ):
        tables[section][key] = _value(section, key, text, variable, strict=False)
    for dotted, value in (flags or {}).items():
        section, key = dotted.split(".")
        tables[section][key] = _value(section, key, value, "command line", strict=True)
    config = Config(**{name: kind(**tables[name]) for name, kind in _TABLES.items()}, labels=tables["labels"])
    _together(config)
    return config


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        msg = f"configuration file {path} does not exist"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"configuration file {path} cannot be read: {error}"
    except tomllib.TOMLDecodeError as error:
        msg = f"configuration file {path} is not valid TOML: {error}"
    except RecursionError:
        msg = f"configuration file {path} is nested too deeply"
    except ValueError as error:  # a number of thousands of digits
        msg = f"configuration file {path} holds something that cannot be read: {error}"
    raise ConfigError(msg)


def _flat(raw: dict[str, Any], origin: str) -> Iterator[tuple[str, str, Any]]:
    for section, table in raw.items():
        if section not in _SECTIONS:
            msg = f"{origin}: unknown table [{named(section)}]{_nearest(section, _SECTIONS)}"
            raise ConfigError(msg)
        if not isinstance(table, dict):
            msg = f"{origin}: {section} is {shown(table)}, but must be a table: [{section}]"
            raise ConfigError(msg)
        for key, value in table.items():
            yield section, key, value


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str], str]]:
    """Yield (variable, (section, key), text); EMOTION_EDGE_MQTT_BASE_TOPIC is mqtt.base_topic."""
    known = {
        f"{PREFIX}{section}_{field.name}".upper(): (section, field.name)
        for section, kind in _TABLES.items()
        for field in msgspec.structs.fields(kind)
    }
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NOT_KEYS:
            continue
        if variable not in known:
            msg = f"unknown environment variable {named(variable)}{_nearest(variable, known)}"
            raise ConfigError(msg)
        yield variable, known[variable], environ[variable]


def _value(section: str, key: str, value: object, origin: str, *, strict: bool) -> object:
    """Check one value against its field."""
    if section == "labels":
        kind: Any = list[str]
    else:
        fields = {field.name: field for field in msgspec.structs.fields(_SECTIONS[section])}
        if key not in fields:
            msg = f"{origin}: unknown key {section}.{named(key)}{_nearest(key, fields)}"
            raise ConfigError(msg)
        kind = fields[key].type
    try:
        converted = msgspec.convert(value, kind, strict=strict)
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError  # noqa: TRY301 - reported like every other value out of range
    except (ValueError, OverflowError) as error:
        msg = f"{origin}: {section}.{named(key)} is {shown(value)}, but must be {expected(kind)}"
        raise ConfigError(msg) from error
    for text in [key, *converted] if isinstance(converted, list) else [converted]:
        if isinstance(text, str) and any(unicodedata.category(one) in _NO_TEXT for one in text):
            msg = f"{origin}: {section}.{named(key)} is {shown(value)}, but must be one line of text"
            raise ConfigError(msg)
    return converted


def _together(config: Config) -> None:
    """Check what one field alone cannot tell."""
    detector, mqtt = config.detector, config.mqtt
    if detector.min_face > detector.max_face:
        msg = f"detector.min_face is {detector.min_face}, but must be at most detector.max_face ({detector.max_face})"
        raise ConfigError(msg)
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        given, missing = ("cert_file", "key_file") if mqtt.cert_file else ("key_file", "cert_file")
        msg = f"mqtt.{given} is {shown(getattr(mqtt, given))}, but needs mqtt.{missing} beside it"
        raise ConfigError(msg)
    if config.preview.enabled and not config.privacy.pictures:
        raise ConfigError(
            "preview.enabled (--preview) is set, but privacy.pictures is false: no picture may leave this sensor"
        )
    seen: dict[str, str] = {}
    for group, members in config.labels.items():
        for label in members:
            if label in seen:
                msg = (
                    f"labels.{named(group)} holds {shown(label)}, which labels.{named(seen[label])} holds already: "
                    "one group per label"
                )
                raise ConfigError(msg)
            seen[label] = group


def expected(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Say in words what a field takes, with its range."""
    return _words(inspect.type_info(kind))


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata():
            return _words(info.type)
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
            return (
                f"text matching {info.pattern}" if info.pattern else "text" + (" (not empty)" * bool(info.min_length))
            )
        case inspect.ListType():
            return "a list of labels"
    return "of another type"


def _nearest(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(sorted(known))}" if len(known) <= _MOST_NAMED else "; `config show` names them all"


def to_toml(config: Config) -> str:
    """Write a configuration as TOML, each key with its description, that `load` reads back the same.

    It holds no secret: none is a key.
    """
    lines: list[str] = []
    for section, table in msgspec.to_builtins(config).items():
        lines.append(f"[{section}]")
        fields = msgspec.structs.fields(_TABLES[section]) if section in _TABLES else ()
        described = {field.name: field.type for field in fields}
        for key, value in table.items():
            if key in described:
                lines.append(f"# {_description(described[key])}")
            # A JSON string, number, boolean or list of strings is also a TOML one; TOML cannot say "unset".
            lines.append(f"# {key} =" if value is None else f"{key} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _description(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Description and range of a field."""
    text = next((part.description for part in get_args(kind) if isinstance(part, msgspec.Meta)), None) or ""
    taken = expected(kind).removeprefix("a whole number ").removeprefix("a number ")
    return f"{text} [{taken}]" if taken.startswith(("from ", "one of ")) else text


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()
