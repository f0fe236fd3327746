"""Remembers which documents were refused, so that each is said and counted once."""

from typing import Final

_MOST: Final = 64
"""Payloads that are remembered: the broker repeats the retained one at each connection."""
_MOST_LOGGED: Final = 20
"""Refusals that are logged in one run of the program: whoever may write to the topic can invent any number."""


class Refusals:
    """What was refused since the start."""

    def __init__(self) -> None:
        self.count = 0
        self.reason: str | None = None
        self.sha256: str | None = None
        self._known: dict[str, str] = {}

    def add(self, sha256: str, reason: str) -> bool:
        """Note a refusal; returns whether to log it. A payload that was refused before is not counted again."""
        again = sha256 in self._known
        self.sha256, self.reason = sha256, reason
        self._known[sha256] = reason
        if again:
            return False
        self.count += 1
        if len(self._known) > _MOST:
            self._known.pop(next(iter(self._known)))
        return self.count <= _MOST_LOGGED
