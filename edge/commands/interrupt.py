"""Ends a command that listens on SIGTERM as on Ctrl-C."""

import signal
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def interrupt_once() -> None:
    """Raise KeyboardInterrupt at the first SIGTERM or SIGINT; later ones must not cut off what is printed at the end.

    `timeout 60 emotion-edge watch --verify` sends SIGTERM twice: to the process and to its group.
    """
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(*_: object) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
