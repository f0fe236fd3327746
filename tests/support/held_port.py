"""A TCP port of the loopback address that no other program gets while it is held."""

import socket


class HeldPort:
    """Chooses a free port and holds it until `release`, for a server that starts later, or stops and starts again.

    A port that is chosen and let go may become the local end of any connection on the machine before the server binds
    it. So a socket stays bound to it, which does not listen. Beside it Linux admits a server that sets SO_REUSEADDR
    (mosquitto, qemu, http.server and `socket.create_server` do), and nothing else: neither a bind to port 0 nor a
    connection is given a port that is bound.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Let the port go; without effect where it is not held."""
        self._socket.close()
