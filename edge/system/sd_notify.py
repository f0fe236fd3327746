"""What a service tells systemd: ready, alive, stopping, and a line for `systemctl status`.

The protocol of sd_notify(3): datagrams of KEY=VALUE lines to the socket that $NOTIFY_SOCKET names. Without
that variable, as when a person starts the program, nothing is sent.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

_FEEDS_PER_PERIOD: Final = 3
"""sd_watchdog_enabled(3) advises half the period; a third leaves room for one datagram that comes late."""
_MICROSECONDS: Final = 1_000_000
_STATUS_BYTES: Final = 200


class Notifier:
    """Sends states to the service manager; every method does nothing where there is none."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read where to send to, and how often the watchdog wants to be fed."""
        self._socket: socket.socket | None = None
        self._refused = False
        self._status = ""
        self.watchdog_seconds = _watchdog_seconds(environ)
        address = environ.get("NOTIFY_SOCKET", "")
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            # A manager that does not read must not hold up the line.
            self._socket.settimeout(0)
            # An @ stands for the zero byte that begins an address of the abstract namespace.
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @property
    def feed_seconds(self) -> float | None:
        """How often `alive` should be called; None where there is no watchdog."""
        return None if self.watchdog_seconds is None else self.watchdog_seconds / _FEEDS_PER_PERIOD

    def ready(self) -> None:
        """Say that start-up, or a reload, is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends it."""
        # Without the time, a manager of version 253 on takes it for an older reload's.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the service is ending by itself or as asked."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog: only where something was achieved since the last time."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows; sent only when it changes."""
        line = " ".join(text.split())[:_STATUS_BYTES]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
            self._refused = False
        except OSError as error:
            # The manager restarts now and then; what it misses comes again, the watchdog's food first.
            if not self._refused:
                log.warning("systemd cannot be told of %s: %s", state.partition("\n")[0], error.strerror)
            self._refused = True


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's period where it is meant for this process."""
    period, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (period.isascii() and period.isdigit() and int(period)):
        return None
    if process and process != str(os.getpid()):
        return None
    return int(period) / _MICROSECONDS
