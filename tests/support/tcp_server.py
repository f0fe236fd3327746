"""A loopback TCP server with a thread for each connection, for servers whose every byte a test decides."""

import contextlib
import socket
import threading


class TcpServer:
    """Accepts connections until `close`, and gives each to `handle` in a thread of its own. `port`: its port."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def handle(self, client: socket.socket) -> None:
        """Serve one connection, and close it."""

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(client,), daemon=True).start()
