"""Notifies systemd of the service's state: ready, alive, stopping, and a line for `systemctl status`.

It speaks the protocol of sd_notify(3): datagrams of KEY=VALUE lines to the socket that $NOTIFY_SOCKET names. Without
that variable, as in a start from a terminal, nothing is sent.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

_FEEDS_PER_PERIOD: Final = 3
"""Notifications per watchdog period. sd_watchdog_enabled(3) advises two; three leave room for a late datagram."""
_MICROSECONDS: Final = 1_000_000
_STATUS_BYTES: Final = 200


class Notifier:
    """Sends states to the service manager. Without one every method does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read the socket's address and the watchdog's period from the environment."""
        self._socket: socket.socket | None = None
        self._refused = False
        self._status = ""
        self.watchdog_seconds = _watchdog_seconds(environ)
        address = environ.get("NOTIFY_SOCKET", "")
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            # A manager that does not read must not block the pipeline.
            self._socket.settimeout(0)
            # An @ stands for the zero byte at the beginning of an address in the abstract namespace.
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @property
    def feed_seconds(self) -> float | None:
        """Seconds between two calls of `alive`; None where there is no watchdog."""
        return None if self.watchdog_seconds is None else self.watchdog_seconds / _FEEDS_PER_PERIOD

    def ready(self) -> None:
        """Notify that start-up, or a reload, is complete."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Notify that a reload of the configuration has begun; `ready` ends it."""
        # Since version 253 systemd ignores the notification without the time, as one of an earlier reload.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Notify that the service is stopping, by itself or on request."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog. Call it only after progress since the last call."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows; it is sent only when it changes."""
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
            # The manager restarts now and then. Watchdog and status notifications that it misses are repeated.
            if not self._refused:
                log.warning("systemd does not receive %s: %s", state.partition("\n")[0], error.strerror)
            self._refused = True


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's period, or None where there is no watchdog for this process."""
    period, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (period.isascii() and period.isdigit() and int(period)):
        return None
    if process and process != str(os.getpid()):
        return None
    return int(period) / _MICROSECONDS
