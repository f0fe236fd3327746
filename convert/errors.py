"""Exceptions of this package, and one-line texts of other libraries' exceptions.

The command line prints their messages, so that each must be a sentence for its user.
"""

from typing import Final

_MAX_REASON_CHARS: Final = 200
"""TensorFlow and MLIR put whole dumps into their messages; the cause is at the beginning."""


class ConvertError(Exception):
    """Input that cannot be used.

    The message is one sentence that names the file or option, its value, and what would be right. The
    command line prints it on standard error and exits with code 1.
    """


class UnavailableError(Exception):
    """An optional runtime that cannot be run on this machine. The message is the reason.

    Not a ConvertError: an evaluation continues without this runtime and lists the reason.
    """


def reason_of(error: BaseException) -> str:
    """Return an exception's message on one line, for use inside a message of this project.

    White space is collapsed and the text is cut after 200 characters. An exception without a message
    gives the name of its type.
    """
    return one_line(str(error)) or type(error).__name__


def one_line(text: str) -> str:
    """Return a text on one line: white space is collapsed and the text is cut after 200 characters."""
    return " ".join(text.split())[:_MAX_REASON_CHARS]


def os_error_text(error: OSError, action: str, unnamed: object = "file") -> str:
    """Return "FILE cannot be ACTION: REASON" for an error of the operating system.

    `unnamed`: what stands for FILE where the error does not name one.
    """
    return f"{error.filename or unnamed} cannot be {action}: {error.strerror or error}"
