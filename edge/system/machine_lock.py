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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from edge.system.service import unit_of

log = logging.getLogger(__name__)

_SOCKETS: Final = Path("/proc/net/unix")
"""The kernel's list of Unix sockets. The last column is the name, an @ in the place of the zero byte."""
_NAMESPACE: Final = "emotion-edge"
_MAX_UNIT_LENGTH: Final = 80
"""The name of a socket has 107 bytes at most (sockaddr_un), of which 13 and a process id are taken."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a name. `pid`: its process id; `unit`: its systemd unit, None where that is not known."""

    pid: int
    unit: str | None = None

    def __str__(self) -> str:
        """Return `process 812 of emotion-edge@door.service`; less where less is known."""
        return f"process {self.pid} of {self.unit}" if self.unit else f"process {self.pid}"


class LockedError(Exception):
    """Another process holds one of the names. `name` is that name, `holder` the process where it is known."""

    def __init__(self, name: str, holder: Holder | None) -> None:
        super().__init__(name)
        self.name = name
        self.holder = holder


class MachineLock:
    """Holds names until it is closed or the process ends.

    Beside the lock itself a second socket is bound, whose name ends with the process id, and a third one that gives the
    unit of that process: whoever finds the lock taken learns both from the kernel's list, without a message to the
    process. The unit could not be read in /proc: a hardened service finds only its own processes there.
    """

    def __init__(self, sockets: Path = _SOCKETS, unit: str | None = None) -> None:
        """`sockets`: the kernel's list of Unix sockets. `unit`: that of this process, by default as the kernel says."""
        self._sockets = sockets
        self._unit = unit_of() if unit is None else unit
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
                raise LockedError(name, self.holder(name)) from error
            log.debug("%s is not locked on this machine: %s", name, error.strerror)
            return
        if self._unit:
            with suppress(OSError):  # another lock of this process has said so
                self._bind(f"{_NAMESPACE}/{os.getpid()}/{self._unit[:_MAX_UNIT_LENGTH]}")

    def _bind(self, address: str) -> None:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            holder.bind(f"\0{address}")
        except OSError:
            holder.close()
            raise
        self._held.append(holder)

    def holder(self, name: str) -> Holder | None:
        """Return the process that has locked `name`; None where there is none, or it is not known."""
        try:
            listed = self._sockets.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = re.search(rf" @{re.escape(_address(name))}/(\d+)$", listed, re.MULTILINE)
        if found is None:
            return None
        unit = re.search(rf" @{_NAMESPACE}/{found[1]}/(\S+)$", listed, re.MULTILINE)
        return Holder(int(found[1]), unit[1] if unit else unit_of(int(found[1])))


def _address(name: str) -> str:
    """Return the socket's name: at most 107 bytes fit, so `name` is hashed."""
    return f"{_NAMESPACE}/{hashlib.sha256(name.encode()).hexdigest()}"
