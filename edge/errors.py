"""Errors whose message is meant for the person at the terminal.

Each message is one sentence that names the key or file, the value and what would be right; the
command line prints it and exits with the class's `exit_code`, never with a traceback.
"""

from typing import ClassVar, Final

from edge.redact import scrubbed

EXIT_INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells report it."""


class EdgeError(Exception):
    """Base of everything that the command line reports as one sentence.

    Whatever file or key a message repeats, it ends up in a log: a URI in it loses its credentials here.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, sentence: str = "") -> None:
        super().__init__(scrubbed(sentence))


class ConfigError(EdgeError):
    """A configuration key, flag or environment variable that cannot be used."""

    exit_code: ClassVar[int] = 2


class SourceError(EdgeError):
    """A source that cannot be opened or read, and would not get better by trying again."""


class SourceLostError(EdgeError):
    """A live source that stalled or vanished; opening it again may help."""


class ModelError(EdgeError):
    """A model or manifest that cannot be used, or that do not fit each other."""


class CascadeError(EdgeError):
    """A file that is no cascade, or no cascade found."""


class BrokerError(EdgeError):
    """A broker that refuses us or cannot be found, and would not get better by trying again."""
