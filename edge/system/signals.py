"""Installs the signal handlers of a running sensor.

- SIGTERM and SIGINT stop it.
- SIGHUP reloads the configuration. The kernel sends SIGHUP also when the terminal is closed in which the program was
  started; then it stops the sensor.
- SIGABRT, with which systemd ends a service that did not feed its watchdog, writes the stack of each thread to standard
  error before the process ends.
"""

import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_STOPPING: Final = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}
"""Signals that stop the sensor, as people name them."""


def install_handlers(stop: Callable[[str], None], reload: Callable[[], None]) -> None:
    """Install all handlers. `stop` and `reload` run inside a signal handler, so they must only set a flag.

    `stop` is given the cause in words, such as "Ctrl-C".
    """
    if sys.stderr is not None:
        faulthandler.enable()
    for number in _STOPPING:
        signal.signal(number, lambda received, _: stop(_STOPPING[signal.Signals(received)]))
    # nohup starts the program with SIGHUP ignored; it must stay ignored.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    had_terminal = _has_terminal()

    def hang_up(*_: object) -> None:
        if had_terminal and not _has_terminal():
            stop("the end of its terminal")
        else:
            reload()

    signal.signal(signal.SIGHUP, hang_up)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
