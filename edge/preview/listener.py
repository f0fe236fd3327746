"""Opens the page's TCP port, and says who has it where it is taken."""

import errno
import socket
from typing import Final

from edge.errors import ConfigError
from edge.system.machine_lock import Holder, LockedError, MachineLock

MAX_CONNECTIONS: Final = 64
"""Maximum number of open connections; further ones are answered with 503."""
_SEND_TIMEOUT_MS: Final = 30_000
"""The kernel closes a connection whose peer acknowledges no data for this long."""
_SEND_BUFFER_BYTES: Final = 131_072
"""Send buffer requested from the kernel, which doubles it: about six pictures by which a slow watcher lags."""
_PORTS_TRIED: Final = 20
"""How many ports above one that is taken are tried to name a free one: more than there are cameras on a device."""
_LAST_PORT: Final = 65_535


class PortTakenError(ConfigError):
    """Another program listens on the port. It may go, while another error of the address stays.

    `holder`: the sensor that has it; None for any other program.
    """

    def __init__(self, sentence: str, holder: Holder | None) -> None:
        super().__init__(sentence)
        self.holder = holder


def listen(host: str, port: int, lock: MachineLock | None = None) -> socket.socket:
    """Return a listening TCP socket with the page's limits; its connections inherit them.

    `lock`: gets the port's name while this process has the port, so that another sensor can say who has it; by default
    none. Raises PortTakenError for a port that another program has, ConfigError for an address that cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"preview.host is {host!r}, which is no address of this machine ({error.strerror}): 127.0.0.1 for this "
            "machine alone, 0.0.0.0 for every network"
        ) from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit these three.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SEND_TIMEOUT_MS)
        listener.bind(address)
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        cannot = f"preview.port {port} at preview.host {host!r} cannot be used ({error.strerror})"
        if error.errno == errno.EADDRINUSE:
            holder = (lock or MachineLock()).holder(_name(port))
            who = "another program" if holder is None else f"the sensor in {holder}"
            raise PortTakenError(f"{cannot}: {who} has this port{_free_port(host, port)}", holder) from None
        raise ConfigError(
            f"{cannot}: set preview.port to a free port above 1023, and preview.host to an address of this machine"
        ) from None
    _note(listener, lock)
    return listener


def _name(port: int) -> str:
    """Return the name of a port among the locks of this machine."""
    return f"page {port}"


def _note(listener: socket.socket, lock: MachineLock | None) -> None:
    """Let other sensors find out who has the port. One may have it at another address of this machine."""
    if lock is not None:
        try:
            lock.acquire([_name(listener.getsockname()[1])])
        except LockedError:
            return


def _free_port(host: str, port: int) -> str:
    """Return the end of a sentence, with a port that was free just now where one is near."""
    for other in range(port + 1, min(port + _PORTS_TRIED, _LAST_PORT) + 1):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, other, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
        except OSError:
            continue
        return f"; set preview.port to another one, such as {other}, which is free"
    return "; set preview.port to a free one above 1023"
