"""A scripted MQTT server, for what mosquitto cannot show: odd reason codes, silence, connections that are closed."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

CLOSE = "close"
"""Answer of a script: close the connection without a word."""

SILENCE = "silence"
"""Answer of a script: send nothing, and go on."""

Answer = int | str
"""A reason code, `CLOSE` or `SILENCE`."""


@dataclass(frozen=True)
class Connect:
    """A CONNECT packet."""

    five: bool
    client_id: str
    keepalive_seconds: int
    will: bool
    will_qos: int
    will_retain: bool
    packet_bytes: int


@dataclass(frozen=True)
class Published:
    """A PUBLISH packet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_bytes: int
    connection: int

    @property
    def kind(self) -> str:
        return self.topic.rpartition("/")[2]


class LimitedBroker:
    """A loopback server that speaks MQTT 5 and 3.1.1, and answers as its attributes say. It delivers nothing.

    `on_connect` gives the code of CONNACK with its properties, or `CLOSE`. `on_publish` gives the code of PUBACK;
    `disconnect` maps a message to the code of a DISCONNECT, None for none. `on_subscribe` gives a code or `CLOSE`.
    """

    def __init__(self) -> None:
        self.on_connect: Callable[[Connect], tuple[Answer, bytes]] = lambda _: (0, b"")
        self.on_publish: Callable[[Published], Answer] = lambda _: 0
        self.disconnect: Callable[[Published], int | None] = lambda _: None
        self.on_subscribe: Callable[[list[str]], Answer] = lambda _: 0
        self.connects: list[Connect] = []
        self.published: list[Published] = []
        self.accepted: list[Published] = []
        self.subscribed: list[str] = []
        self.pings: list[float] = []
        self.mutes_pings = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()

    def of(self, kind: str) -> list[Published]:
        """Return what was accepted of a kind."""
        return [message for message in self.accepted if message.kind == kind]

    def close_connections(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                threading.Thread(target=self._handle, args=(sock,), daemon=True).start()

    def _handle(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError), sock.makefile("rb") as stream:
            _, body, size = _read_packet(stream)
            connect = _connect(body, size)
            self.connects.append(connect)
            code, properties = self.on_connect(connect)
            if isinstance(code, str):
                return
            _send(sock, 0x20, bytes([0, code]) + (bytes([len(properties)]) + properties if connect.five else b""))
            while not code and self._answer(sock, *_read_packet(stream), five=connect.five):
                pass

    def _answer(self, sock: socket.socket, first: int, body: bytes, size: int, *, five: bool) -> bool:
        """Handle a packet; False where the connection is to be closed."""
        match first >> 4:
            case 3:
                return self._publish(sock, first, body, size, five=five)
            case 8:
                filters = _filters(body, five=five)
                self.subscribed += filters
                code = self.on_subscribe(filters)
                if isinstance(code, str):
                    return False
                _send(sock, 0x90, body[:2] + (b"\0" if five else b"") + bytes([code] * len(filters)))
            case 10:
                _send(sock, 0xB0, body[:2] + (b"\0\x11" if five else b""))
            case 12:
                self.pings.append(time.monotonic())
                if not self.mutes_pings:
                    _send(sock, 0xD0, b"")
        return first >> 4 != 14

    def _publish(self, sock: socket.socket, first: int, body: bytes, size: int, *, five: bool) -> bool:
        """Handle a PUBLISH; False where the connection is to be closed."""
        (length,) = struct.unpack_from("!H", body)
        qos, retain = first >> 1 & 3, bool(first & 1)
        rest = body[2 + length :]
        mid, rest = (rest[:2], rest[2:]) if qos else (b"", rest)
        payload = rest[1 + rest[0] :] if five else rest
        message = Published(body[2 : 2 + length].decode(), payload, qos, retain, size, len(self.connects))
        self.published.append(message)
        code = self.disconnect(message)
        if code is not None:
            _send(sock, 0xE0, bytes([code, 0]))
            return False
        answer = self.on_publish(message)
        if answer == CLOSE:
            return False
        if isinstance(answer, int):
            if answer < 0x80:
                self.accepted.append(message)
            if qos:
                _send(sock, 0x40, mid + (bytes([answer, 0]) if five and answer else b""))
        return True


def _read_packet(stream) -> tuple[int, bytes, int]:
    head = stream.read(1)
    if not head:
        raise EOFError
    length, shift, count = 0, 0, 0
    while True:
        (byte,) = stream.read(1)
        count += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return head[0], stream.read(length), 1 + count + length


def _connect(body: bytes, size: int) -> Connect:
    level, flags, keepalive = struct.unpack_from("!BBH", body, 6)
    place = 10
    if level == 5:
        place += 1 + body[place]
    (length,) = struct.unpack_from("!H", body, place)
    client_id = body[place + 2 : place + 2 + length].decode()
    return Connect(level == 5, client_id, keepalive, bool(flags & 4), flags >> 3 & 3, bool(flags & 0x20), size)


def _filters(body: bytes, *, five: bool) -> list[str]:
    place = 2 + (1 + body[2] if five else 0)
    filters = []
    while place < len(body):
        (length,) = struct.unpack_from("!H", body, place)
        filters.append(body[place + 2 : place + 2 + length].decode())
        place += 3 + length
    return filters


def _send(sock: socket.socket, first: int, body: bytes) -> None:
    assert len(body) < 128
    sock.sendall(bytes([first, len(body)]) + body)
