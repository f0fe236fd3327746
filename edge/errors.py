"""Defines the errors whose message is meant for the person at the terminal.

Each message is one sentence that names the key or file, the value and what would be right. The command line prints
it and exits with the class's `exit_code`, never with a traceback.
"""

from typing import ClassVar, Final

from edge.redact import redacted_text

EXIT_INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells report it."""


class EdgeError(Exception):
    """Base of all errors that the command line reports as one sentence.

    Messages are logged and may quote a file or a key, so credentials are removed from each URI in them.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, sentence: str = "") -> None:
        super().__init__(redacted_text(sentence))


class ConfigError(EdgeError):
    """A configuration key, flag or environment variable that cannot be used."""

    exit_code: ClassVar[int] = 2


class SourceError(EdgeError):
    """A source that cannot be opened or read, and for which another attempt would not help."""


class SourceIncompleteError(SourceError):
    """A finite source that has ended, and of which some parts could not be read. The others were delivered."""


class SourceLostError(EdgeError):
    """A live source that stalled or disappeared. Opening it again may help."""


class StateFileError(EdgeError):
    """A file of the state folder, or one that a command writes, that cannot be read or written."""


class ModelError(EdgeError):
    """A model or a manifest that cannot be used, or a pair of them that do not belong together."""


class CascadeError(EdgeError):
    """A cascade file that is missing or is not a cascade."""


class DetectorError(EdgeError):
    """A face detector whose file or package is missing or cannot be used."""


class IndicatorError(EdgeError):
    """A light that is missing or cannot be switched. Without it the camera stays closed."""


class NoticeError(EdgeError):
    """A notice that cannot be made or written."""


class ArchiveError(EdgeError):
    """A database of the archive that cannot be used, or what cannot be read from it."""


class BrokerError(EdgeError):
    """A broker that refuses the connection or cannot be found, and for which another attempt would not help."""
