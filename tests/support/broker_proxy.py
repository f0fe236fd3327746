"""A proxy before a broker that speaks WebSocket, TLS or both: Debian's mosquitto 2.0.11 has no WebSocket."""

import base64
import contextlib
import hashlib
import select
import socket
import ssl
from typing import Self

from support.tcp_server import TcpServer

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10
_PACKET_BYTES = 65_536


class BrokerProxy(TcpServer):
    """Forwards connections to the broker on `broker_port`; a context manager.

    `websocket`: takes WebSockets, as strictly as RFC 6455 demands of a server, and forwards their binary frames.
    `frame_bytes`: longest frame that it sends, so that a packet is cut into several; before each it sends a ping.
    `status`: HTTP status with which it refuses every WebSocket. `paths`, `alpn`, `names`: the path that each client
    requested, the protocol that was negotiated, and the server name that the client sent.
    """

    def __init__(
        self,
        broker_port: int,
        *,
        websocket: bool = False,
        tls: ssl.SSLContext | None = None,
        frame_bytes: int = _PACKET_BYTES,
        status: int = 101,
    ) -> None:
        self.paths: list[str] = []
        self.alpn: list[str | None] = []
        self.faults: list[str] = []
        self._broker_port, self._websocket, self._tls = broker_port, websocket, tls
        self._frame_bytes, self._status = frame_bytes, status
        super().__init__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self.alpn.append(client.selected_alpn_protocol())
            with client:
                if self._websocket and not self._upgrade(client):
                    return
                with socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                    self._forward(client, broker)

    def _upgrade(self, client: socket.socket) -> bool:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            byte = client.recv(1)
            if not byte:
                return False
            request += byte
        first, *lines = request.decode("ascii").split("\r\n")
        method, path, version = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        self.paths.append(path)
        right = (
            (method, version, headers["upgrade"].lower(), headers["connection"].lower())
            == ("GET", "HTTP/1.1", "websocket", "upgrade")
            and (headers["sec-websocket-version"], headers["sec-websocket-protocol"]) == ("13", "mqtt")
            and len(base64.b64decode(headers["sec-websocket-key"], validate=True)) == 16
        )
        if not right:
            self.faults.append(f"handshake {request!r}")
        status = self._status if right else 400
        if status != 101:
            location = "Location: /elsewhere?token=secret\r\n" if 300 <= status < 400 else ""
            client.sendall(f"HTTP/1.1 {status} x\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return False
        digest = hashlib.sha1(headers["sec-websocket-key"].encode() + _GUID, usedforsecurity=False).digest()
        accept = base64.b64encode(digest).decode()
        client.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
        )
        return True

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        received = bytearray()
        while True:
            pending = isinstance(client, ssl.SSLSocket) and client.pending()
            for source in [client] if pending else select.select([client, broker], [], [])[0]:
                data = source.recv(_PACKET_BYTES)
                if not data:
                    return
                if source is broker:
                    self._to_client(client, data)
                elif self._websocket:
                    received += data
                    broker.sendall(self._payloads(received))
                else:
                    broker.sendall(data)

    def _to_client(self, client: socket.socket, data: bytes) -> None:
        if not self._websocket:
            client.sendall(data)
            return
        for begin in range(0, len(data), self._frame_bytes):
            part = data[begin : begin + self._frame_bytes]
            if self._frame_bytes < _PACKET_BYTES:
                client.sendall(bytes([0x80 | _PING, 1]) + b"x")
            length = (
                bytes([len(part)])
                if len(part) < 126
                else b"\x7e" + len(part).to_bytes(2, "big")
                if len(part) < 65_536
                else b"\x7f" + len(part).to_bytes(8, "big")
            )
            client.sendall(bytes([0x80 | _BINARY]) + length + part)

    def _payloads(self, received: bytearray) -> bytes:
        """Take the whole frames out of `received`; return the content of the binary ones."""
        payloads = b""
        while len(received) >= 2:
            opcode, masked, length, head = received[0] & 15, received[1] & 128, received[1] & 127, 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length, head = int.from_bytes(received[2 : 2 + size], "big"), 2 + size
            total = head + (4 if masked else 0) + length
            if len(received) < total:
                break
            if masked:
                mask = received[head : head + 4]
                content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(received[head + 4 : total]))
            else:
                content = bytes(received[head:total])
            if opcode == _BINARY:
                if not masked:
                    self.faults.append("a frame of the client is not masked")
                payloads += content
            elif opcode not in (_PONG, _CLOSE):
                self.faults.append(f"opcode {opcode}")
            del received[:total]
        return payloads


def server_context(cert: object, key: object, *, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return a server's context for a proxy; `alpn`: protocols that it knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(cert), str(key))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
