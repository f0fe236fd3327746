"""Writes the log to standard error: as a person reads it, or as systemd's journal does.

The journal takes a line's priority from `<N>` at its beginning (sd-daemon(3)), and knows by itself what time it is
and who speaks. Then `journalctl -p warning` shows what somebody should look at, and nothing else.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, TextIO

_FOR_PEOPLE: Final = "%(levelname).1s %(name)s: %(message)s"
_FOR_THE_JOURNAL: Final = "%(name)s: %(message)s"  # the priority says the level

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Least level of each of syslog's priorities; what is below them all is debugging."""
_DEBUG: Final = 7

_log: Final = logging.getLogger("edge")


def reads(stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the journal is what reads `stream`: $JOURNAL_STREAM is its device and inode (systemd.exec(5)).

    Where somebody has sent the stream elsewhere since, the numbers are others.
    """
    if stream is None:  # a program that was started without a standard error
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def marked(level: int, text: str) -> str:
    """Put the priority of a level before each line of `text`: to the journal each is a message of its own."""
    priority = next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines() or [""])


class JournalFormatter(logging.Formatter):
    """Formats records for the journal, tracebacks and all."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines, each with its priority."""
        return marked(record.levelno, super().format(record))


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream`, by default standard error, in the form that its reader wants."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    if reads(stream):
        handler.setFormatter(JournalFormatter(_FOR_THE_JOURNAL))
        # A traceback that Python itself writes would be as many lines of no importance.
        sys.excepthook = _uncaught
        threading.excepthook = lambda died: _uncaught(died.exc_type, died.exc_value, died.exc_traceback)
    else:
        handler.setFormatter(logging.Formatter(_FOR_PEOPLE))
    logging.basicConfig(level=level, handlers=[handler])


def complain(sentence: str) -> None:
    """Write the sentence that a run ends with to standard error."""
    text = f"emotion-edge: {sentence}"
    if sys.stderr is not None:
        sys.stderr.write(f"{marked(logging.ERROR, text) if reads(sys.stderr) else text}\n")


def _uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    _log.critical("this should not happen", exc_info=(kind, error or kind(), traceback))
