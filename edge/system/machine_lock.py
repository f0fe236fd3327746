"""Locks names across all users of this machine, for as long as the process lives.

A lock is the name of a Unix socket in the abstract namespace (unix(7)): it has no file, so it needs no folder that two
users share, a service's own view of the file system does not hide it, and the kernel frees it when the process ends,
however it ends. It holds for one network namespace, so not between a container and its host.
"""

import errno
import hashlib
import logging
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

log = logging.getLogger(__name__)

_SOCKETS: Final = Path("/proc/net/unix")
"""The kernel's list of Unix sockets. The last column is the name, an @ in the place of the zero byte."""
_NAMESPACE: Final = "emotion-edge"


class LockedError(Exception):
    """Another process holds one of the names. `name` is that name, `pid` its process id where it is known."""

    def __init__(self, name: str, pid: int | None) -> None:
        super().__init__(name)
        self.name = name
        self.pid = pid


class MachineLock:
    """Holds names until it is closed or the process ends.

    Beside the lock itself a second socket is bound, whose name ends with the process id: whoever finds the lock taken
    learns from the kernel's list which process has it, without a message to it.
    """

    def __init__(self, sockets: Path = _SOCKETS) -> None:
        """`sockets`: the kernel's list of Unix sockets."""
        self._sockets = sockets
        self._held: list[socket.socket] = []

    def acquire(self, names: Iterable[str]) -> None:
        """Lock all `names`, or none of them. Raises LockedError where another process, or this one, has one of them.

        Where the system allows no such socket, as a unit without AF_UNIX in RestrictAddressFamilies=, nothing is
        locked: a sensor that runs alone must not fail for that.
        """
        try:
            for name in names:
                self._lock(name)
        except LockedError:
            self.close()
            raise

    def close(self) -> None:
        """Free the names."""
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        """Return the lock; the end of the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the names."""
        self.close()

    def _lock(self, name: str) -> None:
        address = _address(name)
        try:
            self._bind(address)
            self._bind(f"{address}/{os.getpid()}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise LockedError(name, self._holder(address)) from error
            log.debug("%s is not locked on this machine: %s", name, error.strerror)

    def _bind(self, address: str) -> None:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            holder.bind(f"\0{address}")
        except OSError:
            holder.close()
            raise
        self._held.append(holder)

    def _holder(self, address: str) -> int | None:
        try:
            listed = self._sockets.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = re.search(rf" @{re.escape(address)}/(\d+)$", listed, re.MULTILINE)
        return int(found[1]) if found else None


def _address(name: str) -> str:
    """Return the socket's name: at most 107 bytes fit, so `name` is hashed."""
    return f"{_NAMESPACE}/{hashlib.sha256(name.encode()).hexdigest()}"
