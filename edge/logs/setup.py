"""Sets up logging to standard error, in the format of a terminal, of a file or of systemd's journal.

The journal takes a line's priority from `<N>` at its beginning (sd-daemon(3)), and adds time and process itself. With
the priorities `journalctl -p warning` shows the lines that need attention, and nothing else. Elsewhere a line begins
with its time, and with its level unless that is INFO. Names of loggers mean something to a developer alone: only the
level DEBUG shows them.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, TextIO

from edge.redact import redacted_text

_TERMINAL_TIME: Final = "%H:%M:%S"
_FILE_TIME: Final = "%Y-%m-%d %H:%M:%S"  # a file is read days later

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Lowest level of each syslog priority. Levels below all of them get the priority of debugging."""
_DEBUG_PRIORITY: Final = 7

_log: Final = logging.getLogger("edge")


def is_journal(stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether `stream` leads to the journal: $JOURNAL_STREAM holds its device and inode (systemd.exec(5)).

    A stream that was redirected since has other numbers.
    """
    if stream is None:  # the program was started without a standard error
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads `stream` as it is written."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def with_priority(level: int, text: str) -> str:
    """Put the priority of a level before each line of `text`: the journal takes each line as a message of its own."""
    priority = next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG_PRIORITY)
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines() or [""])


class RedactingFormatter(logging.Formatter):
    """Formats records, including tracebacks, without the credentials of any URI in them.

    Sentences of this program hold none; those of a library, or a traceback, may.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return redacted_text(super().format(record))


class LineFormatter(RedactingFormatter):
    """Formats records for a terminal or a file: `14:05:09 warning: the source is lost`.

    `terminal`: without the date. `names`: with the name of the logger.
    """

    def __init__(self, *, terminal: bool, names: bool = False) -> None:
        super().__init__(f"%(asctime)s %(level)s{_name(names)}%(message)s", _TERMINAL_TIME if terminal else _FILE_TIME)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        record.level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return super().format(record)


class JournalFormatter(RedactingFormatter):
    """Formats records for the journal, including tracebacks. `names`: with the name of the logger."""

    def __init__(self, *, names: bool = False) -> None:
        super().__init__(f"{_name(names)}%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, each with its priority."""
        return with_priority(record.levelno, super().format(record))


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream`, by default standard error, in the format of the journal, a terminal or a file.

    `level`: name of the lowest level that is logged, such as "INFO".
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    names = level == "DEBUG"
    if is_journal(stream):
        handler.setFormatter(JournalFormatter(names=names))
        # Python itself would write a traceback without priorities, as lines of no importance.
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda died: _log_uncaught(died.exc_type, died.exc_value, died.exc_traceback)
    else:
        handler.setFormatter(LineFormatter(terminal=is_terminal(stream), names=names))
    logging.basicConfig(level=level, handlers=[handler])


def on_one_line(text: str) -> str:
    """Return a text on one line: what cannot be printed, as the name of a file may hold, is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def print_error(sentence: str) -> None:
    """Write the error that ends the program to standard error, as one sentence on one line."""
    text = f"emotion-edge: {on_one_line(sentence)}"
    if sys.stderr is not None:
        sys.stderr.write(f"{with_priority(logging.ERROR, text) if is_journal(sys.stderr) else text}\n")


def _name(names: bool) -> str:  # noqa: FBT001 - the name states the meaning
    return "%(name)s: " if names else ""


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    _log.critical("unexpected error, please report it", exc_info=(kind, error or kind(), traceback))
