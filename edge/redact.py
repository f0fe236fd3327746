"""Removes credentials from text that is shown: in messages, in the log, in MQTT payloads."""

import re

_PLACEHOLDER = "***"
_SHORTEST_PASSWORD = 6  # shorter text in the place of a port is a mistyped port rather than a password
_URI = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*):/{1,2}(?=[^/\s'"])((?=[^\s'"]*[@?])[^\s'"]+)""")
"""A URI that holds an `@` or a query, and so may hold credentials."""


def redacted(uri: str) -> str:
    """Return a URI with `***` in place of user name, password and query values.

    It removes too much rather than too little: a password may hold an unescaped `/`, `?`, `#` or `@`, and a mistyped
    URI is shown as well.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        # Not a URI, or one that lacks a slash or a colon.
        name, at, host = uri.rpartition("@")
        return f"{_PLACEHOLDER}@{host}" if at and ":" in name else uri
    head, separator, tail = re.match(r"([^?#]*)([?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in tail and "/" not in head:
        # The authority continues after the ? or #, so these belong to a password.
        return f"{scheme}://{_PLACEHOLDER}"
    if "@" in head:
        head = f"{_PLACEHOLDER}@" + head.rpartition("@")[2]
    else:
        # Text in the place of the port may be a password whose @ and host were forgotten.
        head = re.sub(rf"^([^/:\[\]]*):(?![+-]?\d+(?:/|$))[^/]{{{_SHORTEST_PASSWORD},}}", rf"\1:{_PLACEHOLDER}", head)
    if separator:
        tail = re.sub(
            r"[^&;?#]+",
            lambda item: item[0].split("=")[0] + f"={_PLACEHOLDER}" if "=" in item[0] else _PLACEHOLDER,
            tail,
        )
    return f"{scheme}://{head}{separator}{tail}"


def redacted_text(text: str) -> str:
    """Return a text with each URI in it `redacted`, also where the URI lost one of its slashes."""
    return _URI.sub(lambda found: redacted(f"{found[1]}://{found[2]}"), text)


def quoted(value: object, max_length: int = 60) -> str:
    """Return a value as Python writes it, on one line of at most `max_length` characters, without credentials."""
    text = repr(_redacted(value))
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def quoted_name(name: str, max_length: int = 60) -> str:
    """Return the name of a key or table: bare where TOML allows that, else `quoted`."""
    return name if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{max_length}}}", name) else quoted(name, max_length)


def quoted_file(key: str, file: str) -> str:
    """Return a key with the file that it names.

    A name without `/` is left out: it may be the secret itself, written in place of the name of its file.
    """
    return f"{key} = {file!r}" if "/" in file else f"{key} (a name without / is not repeated here)"


def _redacted(value: object) -> object:
    match value:
        case str():
            return redacted(value)
        case list():
            return [_redacted(item) for item in value]
        case dict():
            return {key: _redacted(item) for key, item in value.items()}
    return value
