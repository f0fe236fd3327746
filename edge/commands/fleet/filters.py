"""Parses and applies a filter of devices: patterns of their ids, and words for what they do. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Self

from edge.commands.fleet.rows import Row
from edge.messages.topics import OFFLINE, ONLINE, STOPPED

WORDS: Final[Mapping[str, Callable[[Row], bool]]] = {
    ONLINE: lambda row: row.status == ONLINE,
    STOPPED: lambda row: row.status == STOPPED,
    OFFLINE: lambda row: row.status == OFFLINE,
    "problem": lambda row: row.wrong,
    "ok": lambda row: not row.wrong,
}
"""Words of a filter, and what they mean. A device with such an id is found by a pattern, as in [o]k."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter; an empty one lets every device through.

    `patterns`: of ids, of which one must fit, where there are any. `words`: all of which must hold.
    """

    patterns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the filter that `text` describes: words and patterns, separated by spaces or commas."""
        terms = text.replace(",", " ").split()
        return cls(tuple(term for term in terms if term not in WORDS), tuple(term for term in terms if term in WORDS))

    def names(self, name: str) -> bool:
        """Return whether the patterns let a device with this id through."""
        return not self.patterns or any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that pass, in their order."""
        return [row for row in rows if self.names(row.name) and all(WORDS[word](row) for word in self.words)]

    def __str__(self) -> str:
        """Return the filter as it is written."""
        return " ".join((*self.patterns, *self.words))
