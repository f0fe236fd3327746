"""Changes values in the text of a TOML file, and leaves everything else as it is: comments, order, other keys.

Pure. What the lines of a file do not show clearly is not guessed: the result is parsed, and must hold what the file
held, with the changes, or the change is refused.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from edge.errors import ConfigError

_HEADER: Final = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]\s*(?:#.*)?$")
_ANY_HEADER: Final = re.compile(r"\s*\[")
_VALUE: Final = r"""("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\[\]"']*\]|[^\s#"'\[{]+)"""
"""A value on one line: a string, a list of plain values, a number, a boolean."""

_BYTE_ORDER_MARK: Final = "\ufeff"
_DEL: Final = "\x7f"
"""The one character that a JSON string may hold as it is, and a TOML string may not."""

Value = str | int | float | bool | list[str]


def toml_value(value: Value) -> str:
    """Return a value as TOML has it: a JSON string, number, boolean or list is one, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace(_DEL, "\\u007f")


def with_values(text: str, values: Mapping[tuple[str, str], Value]) -> str:
    """Return the text of a TOML file with other values; `values`: by table and key.

    A key that is there gets its value, in its line; another one is added to its table, a table to the end. A value that
    is there already changes nothing. Line ends and a byte order mark stay; a line that is added ends as the one before
    it. Raises ConfigError where the file is written in a way that this cannot change, and tomllib.TOMLDecodeError
    where it is not valid.
    """
    mark = _BYTE_ORDER_MARK * text.startswith(_BYTE_ORDER_MARK)
    content = text.removeprefix(mark)
    before = tomllib.loads(content)
    changes = {name: value for name, value in values.items() if not _has(before, *name, value)}
    if not changes:
        return text
    # Not by splitlines: only "\n" ends a line of TOML, and a comment may hold U+0085 or U+2028.
    lines = content.split("\n")
    if not lines[-1]:
        lines.pop()
    elif len(lines) > 1:
        lines[-1] += _return_of(lines[-2])
    for (table, key), value in changes.items():
        _set(lines, table, key, value)
    after = "".join(f"{line}\n" for line in lines)
    if not _holds(after, _merged(before, values)):
        names = ", ".join(f"{table}.{key}" for table, key in changes)
        raise ConfigError(f"it is written in a way in which no key can be changed for you: set {names} in it yourself")
    return mark + after


def _has(content: Mapping[str, Any], table: str, key: str, value: Value) -> bool:
    keys = content.get(table)
    return isinstance(keys, dict) and key in keys and type(keys[key]) is type(value) and bool(keys[key] == value)


def _set(lines: list[str], table: str, key: str, value: Value) -> None:
    """Put a value into its line, or add a line. `lines`: without line feeds, but with their carriage returns."""
    header = next((n for n, line in enumerate(lines) if (found := _HEADER.match(line)) and found[1] == table), None)
    if header is None:
        added = [*[""] * bool(lines), f"[{table}]", f"{key} = {toml_value(value)}"]
        ending = _return_of(lines[-1]) if lines else ""
        lines += [line + ending for line in added]
        return
    end = next((n for n in range(header + 1, len(lines)) if _ANY_HEADER.match(lines[n])), len(lines))
    pattern = re.compile(rf"(\s*{re.escape(key)}\s*=\s*){_VALUE}(\s*(?:#.*)?)")
    last = header
    for number in range(header + 1, end):
        found = pattern.fullmatch(lines[number])
        if found is not None:
            lines[number] = f"{found[1]}{toml_value(value)}{found[3]}"
            return
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            last = number
    lines.insert(last + 1, f"{key} = {toml_value(value)}{_return_of(lines[last])}")


def _return_of(line: str) -> str:
    """Return what a line has before its line feed: a carriage return, or nothing."""
    return "\r" * line.endswith("\r")


def _merged(before: Mapping[str, Any], values: Mapping[tuple[str, str], Value]) -> dict[str, Any]:
    merged = {name: dict(table) if isinstance(table, dict) else table for name, table in before.items()}
    for (table, key), value in values.items():
        keys = merged.setdefault(table, {})
        if isinstance(keys, dict):
            keys[key] = value
    return merged


def _holds(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False
