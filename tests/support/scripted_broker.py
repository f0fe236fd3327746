"""A TCP server that answers an MQTT client with given bytes: what no real broker can be made to send."""

import contextlib
import socket
import threading
from collections.abc import Mapping

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14
"""Types of the packets that a client sends."""
_HANG_SECONDS = 60.0


class ScriptedBroker:
    """Serves one connection after another, each in the same way, until `close`.

    `answers` has, for a type of packet, the bytes that are sent for the first packet of that type; after the answer to
    a packet of the type `last`, the connection is closed. `{mid}` in an answer stands for the message id of the packet.
    `received` has the types of all packets. The answers may be changed between two connections.
    """

    def __init__(self) -> None:
        self.answers: Mapping[int, bytes] = {}
        self.last = CONNECT
        self.received: list[int] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(_HANG_SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(_HANG_SECONDS)
                self._converse(client)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):  # until the client closes, so that it can read everything
                    pass

    def _converse(self, client: socket.socket) -> None:
        answers, last = dict(self.answers), self.last
        rest = b""
        while True:
            data = client.recv(4096)
            if not data:
                return
            rest += data
            while (packet := first_packet(rest)) is not None:
                rest = rest[len(packet) :]
                kind = packet[0] >> 4
                self.received.append(kind)
                answer = answers.pop(kind, None)
                if answer is not None:
                    client.sendall(answer.replace(b"{mid}", message_id(packet)))
                if kind == last:
                    return


def first_packet(data: bytes) -> bytes | None:
    """Return the first MQTT packet of `data`; None where it is not complete."""
    length = 0
    for index in range(1, min(len(data), 5)):
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if not data[index] & 0x80:
            whole = 1 + index + length
            return data[:whole] if whole <= len(data) else None
    return None


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """Return an MQTT packet of type `kind`."""
    return bytes([kind << 4 | flags]) + variable_length(len(body)) + body


def variable_length(number: int) -> bytes:
    """Return a number as MQTT's variable byte integer."""
    encoded = b""
    while True:
        number, low = divmod(number, 128)
        encoded += bytes([low | (0x80 if number else 0)])
        if not number:
            return encoded


def message_id(data: bytes) -> bytes:
    """Return the two bytes of the message id of a PUBLISH with QoS 1 or a SUBSCRIBE; zeros for other packets."""
    start = 2
    while data[start - 1] & 0x80:
        start += 1
    body = data[start:]
    match data[0] >> 4:
        case 3:
            at = 2 + int.from_bytes(body[:2], "big")
            return body[at : at + 2]
        case 8:
            return body[:2]
    return b"\0\0"
