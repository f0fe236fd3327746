"""Says which keys a request may set: what `requests.settable` names, of what a request or document can set at all."""

from collections.abc import Collection

from edge.config.keys import FREE_TABLES, KEYS, SECTIONS, TABLES, nearest, why_not_settable
from edge.config.mqtt_schema import RequestsConfig
from edge.errors import ConfigError
from edge.redact import quoted_name


def allowed_settings(requests: RequestsConfig) -> tuple[str, ...]:
    """Return the names of all settings that a request may set, in the order of the schema.

    A setting is named by its dotted key, as in `events.margin`. Tables without fixed keys, as `zones`, are set as a
    whole. None where requests are disabled: nothing could undo a setting then.
    """
    if not requests.enabled:
        return ()
    named = {name for item in requests.settable for name in _named_by(item)}
    return tuple(name for name in _all_names() if name in named)


def check_settable(requests: RequestsConfig) -> None:
    """Raise ConfigError where `requests.settable` names what does not exist, or what no request can set."""
    for item in requests.settable:
        try:
            found = _named_by(item)
            if not found:
                raise ConfigError(f"a request can set no key of [{item}]")  # noqa: TRY301 - one place adds the key
        except ConfigError as error:
            raise ConfigError(f"requests.settable: {error}") from None


def check_allowed(name: str, allowed: Collection[str]) -> None:
    """Raise ConfigError where a request must not set what it names. `allowed`: as of `allowed_settings`."""
    if name in allowed:
        return
    table, _, key = name.partition(".")
    if table in SECTIONS and not key:
        raise ConfigError(f"{table} is a table: name one of its keys, as in {table}.{next(iter(KEYS[table]))}")
    _named_by(name)
    if not allowed:
        raise ConfigError(f"{name} may not be set by a request: requests.settable in the configuration is empty")
    raise ConfigError(f"{name} may not be set by a request: requests.settable in the configuration does not name it")


def check_desired(name: str) -> None:
    """Raise ConfigError where a signed document must not set what it names (docs/desired.md).

    That is what no request may ever set either; `requests.settable` makes no difference.
    """
    table, _, key = name.partition(".")
    if table in SECTIONS and not key:
        raise ConfigError(f"{table} is a table: name one of its keys, as in {table}.{next(iter(KEYS[table]))}")
    _named_by(name, by="a document")


def _named_by(item: str, by: str = "a request") -> tuple[str, ...]:
    """Return the settings that a key or a table names. Raises ConfigError where there is none of that name.

    `by`: who wants to set it.
    """
    table, _, key = item.partition(".")
    if table not in TABLES:
        raise ConfigError(f"unknown table [{quoted_name(table)}]{nearest(table, TABLES)}")
    if table in FREE_TABLES:
        if key:
            raise ConfigError(f"[{table}] is set as a whole: name {table}, without a dot")
        return (table,)
    if not key:
        return tuple(f"{table}.{one}" for one in KEYS[table] if why_not_settable(table, one) is None)
    if key not in KEYS[table]:
        raise ConfigError(f"unknown key {table}.{quoted_name(key)}{nearest(key, KEYS[table])}")
    reason = why_not_settable(table, key)
    if reason is not None:
        raise ConfigError(f"{item} cannot be set by {by}: {reason}")
    return (item,)


def _all_names() -> list[str]:
    return [name for table in TABLES for name in _named_by(table)]
