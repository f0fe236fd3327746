"""A network camera on the loopback interface whose every byte the test decides, for HTTP and RTSP."""

import contextlib
import socket
import threading

_JOIN_SECONDS = 60.0


class ScriptedCamera:
    """Answers each request with `answer(request, send)`; the connection is closed when that returns False.

    `request` is the text up to the empty line, `send` sends bytes. `requests` holds all requests, `connections` counts
    connections. `wrap` secures a connection, as an SSLContext's `wrap_socket` does.
    """

    def __init__(self, answer, wrap=None):
        self._answer = answer
        self._wrap = wrap
        self.requests = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._peers = []
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError):
            secured = self._wrap(peer, server_side=True) if self._wrap else peer
            with secured, secured.makefile("rb") as stream:
                while request := _read_request(stream):
                    self.requests.append(request)
                    if self._answer(request, secured.sendall) is False:
                        return

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(_JOIN_SECONDS)


def _read_request(stream):
    """Return the next request up to its empty line; empty where the client has closed the connection."""
    lines = []
    while (line := stream.readline()) not in {b"", b"\r\n"}:
        lines.append(line.decode("latin-1"))
    return "".join(lines) if line else ""


def answer(body=b"", kind="image/jpeg", status="200 OK", *, length=True, extra=""):
    """Return an answer of HTTP."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{extra}"
    head += f"Content-Length: {len(body)}\r\n" if length else ""
    return head.encode() + b"\r\n" + body


def chunked(pieces):
    """Return pieces in chunked transfer encoding, without the end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
