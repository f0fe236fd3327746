"""Takes credentials out of what is shown: in messages, in the log, over the broker."""

import re

_HIDDEN = "***"
_LONG = 6  # what is shorter is a mistyped port rather than a password
_URI = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*):/{1,2}(?=[^/\s'"])((?=[^\s'"]*[@?])[^\s'"]+)""")
"""With a name or a query: what has neither stays as it was written."""


def redacted(uri: str) -> str:
    """Take user names, passwords and query values out of a URI, so that it can be shown.

    Rather too much than too little: a password may hold an unescaped `/`, `?`, `#` or `@`, and what was mistyped
    is shown as well.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        # No URI, or one without a slash or a colon that belongs there.
        name, at, host = uri.rpartition("@")
        return f"{_HIDDEN}@{host}" if at and ":" in name else uri
    head, separator, tail = re.match(r"([^?#]*)([?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in tail and "/" not in head:
        # The authority goes on behind the ? or #, so those belong to a password.
        return f"{scheme}://{_HIDDEN}"
    if "@" in head:
        head = f"{_HIDDEN}@" + head.rpartition("@")[2]
    else:
        # What stands for a port and is none may be a password, before an @ that was forgotten.
        head = re.sub(rf"^([^/:\[\]]*):(?![+-]?\d+(?:/|$))[^/]{{{_LONG},}}", rf"\1:{_HIDDEN}", head)
    if separator:
        tail = re.sub(
            r"[^&;?#]+", lambda item: item[0].split("=")[0] + f"={_HIDDEN}" if "=" in item[0] else _HIDDEN, tail
        )
    return f"{scheme}://{head}{separator}{tail}"


def scrubbed(sentence: str) -> str:
    """`sentence` with every URI in it `redacted`, also where a path lost one of its slashes."""
    return _URI.sub(lambda found: redacted(f"{found[1]}://{found[2]}"), sentence)


def shown(value: object, most: int = 60) -> str:
    """`value` as Python writes it, in at most so many characters of one line, without credentials."""
    text = repr(_hidden(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def named(name: str, most: int = 60) -> str:
    """A key or table as it is shown: bare where TOML lets it stand so, else like any other text."""
    return name if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{most}}}", name) else shown(name, most)


def named_file(key: str, file: str) -> str:
    """A key and the file that it names. Who mistakes it for one that takes the secret itself would find that told."""
    return f"{key} = {file!r}" if "/" in file else f"{key} (a name without / is not repeated here)"


def _hidden(value: object) -> object:
    match value:
        case str():
            return redacted(value)
        case list():
            return [_hidden(item) for item in value]
        case dict():
            return {key: _hidden(item) for key, item in value.items()}
    return value
