"""Loads the configuration from a TOML file, environment variables and flags."""

import codecs
import math
import os
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from edge.config.archive_schema import check_archive
from edge.config.areas import AREA_TABLES, check_areas, read_polygon
from edge.config.keys import FREE_TABLES, KEYS, LABELS, SECTIONS, TABLES, VALENCE, expected, nearest
from edge.config.origins import COMMAND_LINE, Origins
from edge.config.schema import Config, DeviceConfig, ValenceWeight
from edge.config.settable import check_settable
from edge.errors import ConfigError
from edge.redact import quoted, quoted_name
from edge.system import board
from edge.system.service import CONFIG_FOLDER, Service, find_service

PREFIX: Final = "EMOTION_EDGE_"
CONFIG_VARIABLE: Final = "EMOTION_EDGE_CONFIG"
_NOT_KEYS: Final = {
    CONFIG_VARIABLE,
    "EMOTION_EDGE_DATA",
    "EMOTION_EDGE_EXPECT_RUNTIME",
    "EMOTION_EDGE_MQTT_PASSWORD",
    "EMOTION_EDGE_PREVIEW_TOKEN",
}
"""Variables with this prefix that set no key: the file to load, the test data, a check of the tests, two secrets."""

_FORBIDDEN_CATEGORIES: Final = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that would break a line of the log, a topic or a path: control characters, lone surrogates
(from a variable that is not UTF-8), line and paragraph separators."""

_FREE_KINDS: Final[Mapping[str, Any]] = {LABELS: list[str], VALENCE: ValenceWeight}
"""Type of the values in tables without fixed keys, but for areas."""


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Load the configuration: defaults, overridden by the file, by `EMOTION_EDGE_...` variables, by flags.

    `path`: TOML file, else `$EMOTION_EDGE_CONFIG`, else no file. `flags`: values by dotted key, such
    as `{"source.uri": "0"}`. Raises ConfigError, one sentence that names origin, key, value and range.
    """
    return load_with_origins(path, environ, flags)[0]


def load_with_origins(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> tuple[Config, Origins]:
    """Load as `load` does; returns also where each value that is no default comes from."""
    loaded = load_tables(path, environ, flags)
    return loaded.config(), loaded.origins


@dataclass(frozen=True, slots=True)
class Loaded:
    """Values by table and key as they were loaded, of the type that the schema has; and their origins.

    `service`: the service whose configuration it is; None for any other file. `id_derived`: an instance has no id in
    its file, so that `device.id` is the machine's with its name.
    """

    tables: Mapping[str, Mapping[str, Any]]
    origins: Origins
    service: Service | None = None
    id_derived: bool = False

    def config(self) -> Config:
        """Return the configuration. Raises ConfigError where keys that are right one by one do not fit each other."""
        try:
            return self.with_settings({})
        except ConfigError as error:
            raise ConfigError(self.origins.named(str(error))) from None

    def with_settings(self, settings: Mapping[str, Any]) -> Config:
        """Return the configuration with `settings` over it, values by dotted key or name of a table without fixed keys.

        Raises ConfigError as `config` does, without the origin.
        """
        tables = {name: dict(self.tables[name]) for name in TABLES}
        for name, value in settings.items():
            table, _, key = name.partition(".")
            if key:
                tables[table][key] = value
            else:
                tables[table] = value
        mqtt = tables["mqtt"]
        if mqtt.get("urls") and not mqtt.get("url") and not mqtt.get("fallback_urls"):
            mqtt["url"], *mqtt["fallback_urls"] = mqtt["urls"]
        parts: dict[str, Any] = {name: section(**tables[name]) for name, section in SECTIONS.items()}
        config = Config(**(parts | {name: tables[name] for name in FREE_TABLES}))
        _check_combinations(config)
        return config


def tables_of(config: Config) -> Loaded:
    """Return a configuration as if it had been loaded, without origins."""
    tables: dict[str, Any] = {}
    for name in TABLES:
        table = getattr(config, name)
        tables[name] = table if name in FREE_TABLES else msgspec.structs.asdict(table)
    return Loaded(tables, Origins())


def load_tables(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    folder: Path = CONFIG_FOLDER,
) -> Loaded:
    """Load the values of `load`, each checked on its own. `folder`: as of `find_service`. Raises ConfigError as `load`.

    For the file of an instance, an id and a name that are not set are the machine's id and the default name, each with
    the instance's name, so that every part and every command has the same.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    service = find_service(path, folder)
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    origins = Origins(path)
    if path is not None:
        for section, key, value in _flat(_parse(path), str(path)):
            tables[section][key] = _value(section, key, value, str(path), strict=True)
            origins.note(section, key, str(path))
    variables = list(_variables(environ))
    _drop_other_spelling(tables["mqtt"], {key for _, (section, key), _ in variables if section == "mqtt"})
    for variable, (section, key), text in variables:
        tables[section][key] = _value(section, key, text, variable, strict=False)
        origins.note(section, key, variable)
    flags = flags or {}
    _drop_other_spelling(tables["mqtt"], {dotted.removeprefix("mqtt.") for dotted in flags})
    for dotted, value in flags.items():
        section, key = dotted.split(".")
        tables[section][key] = _value(section, key, value, COMMAND_LINE, strict=True)
        origins.note(section, key, COMMAND_LINE)
    instance = "" if service is None else service.name
    id_derived = bool(instance) and not tables["device"].get("id")
    if id_derived:
        tables["device"]["id"] = board.device_id(instance=instance)
    if instance:
        tables["device"].setdefault("name", f"{DeviceConfig().name} {instance}")
    return Loaded(tables, origins, service, id_derived)


def _drop_other_spelling(mqtt: dict[str, Any], over: set[str]) -> None:
    """Remove the brokers of what was loaded before, where `over`, the keys of what is laid over it, name brokers.

    One address and a list of them are two spellings: the later one counts alone, as each other key does.
    """
    if "urls" in over:
        mqtt.pop("url", None)
        mqtt.pop("fallback_urls", None)
    elif "url" in over:
        mqtt.pop("urls", None)


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = _decoded(path.read_bytes(), path)
        return tomllib.loads(text)
    except FileNotFoundError:
        msg = f"configuration file {path} does not exist"
    except PermissionError:
        msg = f"configuration file {path} cannot be read (Permission denied): the user that runs the sensor must be "
        msg += "able to read it, with mode 644, since no key holds a secret"
    except IsADirectoryError:
        msg = f"configuration file {path} is a folder: name the file in it"
    except OSError as error:
        msg = f"configuration file {path} cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found = error.object[error.start]
        msg = f"configuration file {path} is not UTF-8: byte 0x{found:02x} in line {line} is of another encoding; "
        msg += "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        msg = f"configuration file {path} is not valid TOML: {repeated_name(text, str(error)) or error}"
    except RecursionError:
        msg = f"configuration file {path} is nested too deeply"
    except ValueError as error:  # a number of thousands of digits
        msg = f"configuration file {path} holds something that cannot be read: {error}"
    raise ConfigError(msg)


def repeated_name(text: str, error: str) -> str | None:
    """Return in words which name a file sets twice; None where the error of `tomllib` is another one.

    `tomllib` names only the line, at whose end or in which the second value ends.
    """
    found = re.search(r"(Cannot (?:overwrite a value|declare)).*\(at line (\d+)", error)
    if found is None:
        return None
    for line in reversed(text.split("\n")[: int(found[2])]):
        name = re.match(r"\s*(\[[^\]=]*\]|[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')\s*(?:=|#|$)", line.rstrip("\r"))
        if name is not None:
            bare = quoted_name(name[1].strip("[]\"'"))
            what = f"the table [{bare}]" if name[1].startswith("[") else f"the key {bare}"
            return f"{what} is set a second time in line {found[2]}; set each name once"
    return None


def _decoded(data: bytes, path: Path) -> str:
    """Decode a file, with or without the byte order mark that editors on Windows write before UTF-8.

    Raises ConfigError for UTF-16 and UTF-32, which the same editors call "Unicode", and UnicodeDecodeError.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or b"\0" in data:
        msg = f"configuration file {path} is not UTF-8 but UTF-16 or UTF-32, or is no text at all: save it as UTF-8"
        raise ConfigError(msg)
    return data.decode("utf-8-sig")


def _flat(raw: dict[str, Any], origin: str) -> Iterator[tuple[str, str, Any]]:
    for section, table in raw.items():
        if section not in TABLES:
            msg = f"{origin}: unknown table [{quoted_name(section)}]{nearest(section, TABLES)}"
            raise ConfigError(msg)
        if not isinstance(table, dict):
            msg = f"{origin}: {section} is {quoted(table)}, but must be a table: [{section}]"
            raise ConfigError(msg)
        for key, value in table.items():
            yield section, key, value


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str], str]]:
    """Yield (variable, (section, key), text); EMOTION_EDGE_MQTT_BASE_TOPIC is mqtt.base_topic."""
    known = {f"{PREFIX}{section}_{key}".upper(): (section, key) for section, keys in KEYS.items() for key in keys}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NOT_KEYS:
            continue
        for table in FREE_TABLES:
            if variable.startswith(f"{PREFIX}{table}_".upper()):
                what = {LABELS: "groups of labels", VALENCE: "weights of labels"}.get(table, table)
                msg = f"{quoted_name(variable)} cannot be used: {what} are set in a file, as [{table}]"
                raise ConfigError(msg)
        if variable not in known:
            msg = f"unknown environment variable {quoted_name(variable)}{nearest(variable, known, PREFIX)}"
            raise ConfigError(msg)
        yield variable, known[variable], environ[variable]


def _value(section: str, key: str, value: object, origin: str, *, strict: bool) -> object:
    """Return a value as `read_value` does; an error begins with its origin."""
    try:
        return read_value(section, key, value, strict=strict)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def read_value(section: str, key: str, value: object, *, strict: bool = True) -> object:
    """Return a value converted to the type of its key. Raises ConfigError where the key does not take it."""
    if section in AREA_TABLES:
        return read_polygon(section, key, value)
    if section in _FREE_KINDS:
        kind: Any = _FREE_KINDS[section]
    elif key in KEYS[section]:
        kind = KEYS[section][key]
    else:
        raise ConfigError(f"unknown key {section}.{quoted_name(key)}{nearest(key, KEYS[section])}")
    if not strict and isinstance(value, str) and _is_list(kind):
        value = [item.strip() for item in value.split(",")] if value.strip() else []
    try:
        converted = msgspec.convert(value, kind, strict=strict)
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError  # noqa: TRY301 - reported like every other value out of range
    except (ValueError, OverflowError) as error:
        msg = f"{section}.{quoted_name(key)} is {quoted(value)}, but must be {expected(kind)}"
        raise ConfigError(msg) from error
    for text in [key, *converted] if isinstance(converted, list) else [converted]:
        if isinstance(text, str) and any(unicodedata.category(one) in _FORBIDDEN_CATEGORIES for one in text):
            msg = f"{section}.{quoted_name(key)} is {quoted(value)}, but must be one line of printable text"
            raise ConfigError(msg)
    return converted


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    """Return whether a key takes a list; an environment variable separates its items by commas."""
    return get_origin(get_args(kind)[0] if get_origin(kind) is Annotated else kind) is list


def _check_combinations(config: Config) -> None:
    """Raise ConfigError where keys that are right one by one do not fit each other."""
    check_settable(config.requests)
    check_areas(config.masks, config.zones)
    check_archive(config.archive)
    detector, mqtt = config.detector, config.mqtt
    if detector.min_face > detector.max_face:
        msg = f"detector.min_face is {detector.min_face}, but must be at most detector.max_face ({detector.max_face})"
        raise ConfigError(msg)
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        given, missing = ("cert_file", "key_file") if mqtt.cert_file else ("key_file", "cert_file")
        msg = f"mqtt.{given} is {quoted(getattr(mqtt, given))}, but mqtt.{missing} is empty: set both or neither"
        raise ConfigError(msg)
    if mqtt.urls and mqtt.urls != [mqtt.url, *mqtt.fallback_urls]:
        given = "url" if mqtt.url != mqtt.urls[0] else "fallback_urls"
        raise ConfigError(
            f"mqtt.urls and mqtt.{given} name different brokers: put all addresses into mqtt.urls, and remove "
            f"mqtt.{given}"
        )
    if mqtt.fallback_urls and not mqtt.url:
        raise ConfigError(
            "mqtt.fallback_urls is set, but mqtt.url is empty: name the broker in mqtt.url that is tried first"
        )
    if config.preview.enabled and not config.privacy.pictures:
        raise ConfigError(
            "preview.enabled (--preview) is true, but privacy.pictures is false: no picture may leave this sensor"
        )
    seen: dict[str, str] = {}
    for group, members in config.labels.items():
        for label in members:
            if seen.get(label) == group:
                raise ConfigError(f"labels.{quoted_name(group)} holds {quoted(label)} twice: name each label once")
            if label in seen:
                msg = (
                    f"labels.{quoted_name(group)} holds {quoted(label)}, as labels.{quoted_name(seen[label])} does: "
                    "a label belongs to one group at most"
                )
                raise ConfigError(msg)
            seen[label] = group
