"""Sets up logging to standard error, in the format of a terminal or of systemd's journal.

The journal takes a line's priority from `<N>` at its beginning (sd-daemon(3)), and adds time and process itself. With
the priorities `journalctl -p warning` shows the lines that need attention, and nothing else.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, TextIO

from edge.redact import redacted_text

_TERMINAL_FORMAT: Final = "%(levelname).1s %(name)s: %(message)s"
_JOURNAL_FORMAT: Final = "%(name)s: %(message)s"  # the priority stands for the level

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


class JournalFormatter(RedactingFormatter):
    """Formats records for the journal, including tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, each with its priority."""
        return with_priority(record.levelno, super().format(record))


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream`, by default standard error, in the format of the journal or of a terminal.

    `level`: name of the lowest level that is logged, such as "INFO".
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    if is_journal(stream):
        handler.setFormatter(JournalFormatter(_JOURNAL_FORMAT))
        # Python itself would write a traceback without priorities, as lines of no importance.
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda died: _log_uncaught(died.exc_type, died.exc_value, died.exc_traceback)
    else:
        handler.setFormatter(RedactingFormatter(_TERMINAL_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


def on_one_line(text: str) -> str:
    """Return a text on one line: what cannot be printed, as the name of a file may hold, is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def print_error(sentence: str) -> None:
    """Write the error that ends the program to standard error, as one sentence on one line."""
    text = f"emotion-edge: {on_one_line(sentence)}"
    if sys.stderr is not None:
        sys.stderr.write(f"{with_priority(logging.ERROR, text) if is_journal(sys.stderr) else text}\n")


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    _log.critical("unexpected error, please report it", exc_info=(kind, error or kind(), traceback))
