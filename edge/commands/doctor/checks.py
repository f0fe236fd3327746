"""Defines what the checks of `doctor` share: the configuration, the interface of a check, and warnings."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from edge.config.schema import Config

Check = Callable[[], str]
"""Checks one part. Returns a line about it; raises EdgeError, with what to do, where the part cannot be used."""


class Checks(ABC):
    """Base of a group of checks.

    A check reports what works and may still surprise with `warn`: a line of its own, which changes no exit code.
    """

    conditional: ClassVar[frozenset[str]] = frozenset()
    """Names of the checks that `by_name` leaves out where the configuration does not use the part."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._warnings: list[str] = []

    @abstractmethod
    def by_name(self) -> dict[str, Check]:
        """Return the checks of this group in the order in which they run, by the name that the output shows."""

    def warn(self, sentence: str) -> None:
        """Have `sentence`, which says what is unusual and what to do, printed below the line of the check that runs."""
        self._warnings.append(sentence)

    def take_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        warnings, self._warnings = self._warnings, []
        return warnings
