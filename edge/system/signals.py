"""What signals do to a sensor that runs: end it cleanly, or let it read its configuration again."""

import faulthandler
import os
import signal
import sys
from collections.abc import Callable


def install_handlers(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """Let SIGTERM and SIGINT call `stop` and SIGHUP `reload`; both must only put something down.

    SIGABRT, with which systemd ends a service that has starved its watchdog, leaves what each thread was doing in
    the log.
    """
    if sys.stderr is not None:
        faulthandler.enable()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    # Who started it with nohup has it ignored, and it stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        attended = _has_terminal()
        # The same signal says that the terminal is gone, and with it the person who had started this.
        signal.signal(signal.SIGHUP, lambda *_: stop() if attended and not _has_terminal() else reload())


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
