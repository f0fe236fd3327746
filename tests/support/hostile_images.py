"""Makes hostile requests: damaged pictures, decompression bombs, bad HTTP, wrong hosts and tokens."""

import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from support.mqtt import TIMEOUT_SECONDS
from support.preview import encoded

EXPECTED_STATUSES = {200, 303, 304, 307, 400, 401, 403, 404, 405, 409, 413, 414, 415, 421, 422, 429, 431}
"""Statuses of answers to requests that are handled properly; 5xx would be the server's fault."""

_HOSTS = ["evil.example.org", "", "127.0.0.1.evil", "[::1", "a b", "localhost:x", "x" * 4000, None]
_COOKIES = [None, "emotion-edge-preview=", "emotion-edge-preview=" + "f" * 64, ";;;=;", "=" * 3000, "é" * 50]
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
_ORIGINS = ["https://evil.example.org", "null", "file://", "http://127.0.0.1", "x" * 500, "http://["]
_PATHS = [
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/page.js%00.html",
    "/%ff%fe",
    "/stream/x",
    "/?q=" + "x" * 3000,
    "*",
    "http://evil.example.org/",
    "/picture/current?x",
    "/login.html",
    "/;/;",
]


@dataclass(frozen=True)
class Request:
    """Bytes to send. `cut`: the sender leaves before all of them were sent, so that no answer can reach it."""

    kind: str
    data: bytes
    cut: bool = False


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, rows: int | None = None, extra: bytes = b"") -> bytes:
    """Return a grey PNG. `rows`: how many it really has, whatever its header states."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = zlib.compress(bytes((width + 1) * (height if rows is None else rows)), 9)
    parts = _png_chunk(b"IHDR", header), extra, _png_chunk(b"IDAT", content), _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class HostileRequests:
    """Draws requests from a seed. `token`: the right one, for requests that are to pass the middleware."""

    def __init__(self, seed: int, port: int, token: str) -> None:
        self._rng = random.Random(seed)
        self._port, self._token = port, token
        noise = np.random.default_rng(seed)
        smooth = np.kron(noise.integers(40, 220, (6, 8), np.uint8), np.ones((12, 12), np.uint8))
        self._pictures = [encoded(smooth, suffix) for suffix in (".jpg", ".png", ".webp")]
        fat = _png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(30_000_000), 9))
        self._bombs = [
            png(60_000, 60_000, rows=4),
            png(100_000, 40),
            png(40, 2_000_000, rows=1),
            png(64, 48, rows=100_000),
            png(64, 48, rows=1),
            png(64, 48, extra=fat),
            self._resized(0, 65_500, 65_500),
            self._resized(0, 4_000, 3_000),
            self._resized(2, 16_383, 16_383),
        ]

    def _resized(self, which: int, width: int, height: int) -> bytes:
        """Return a picture whose header has a wrong size."""
        data = bytearray(self._pictures[which])
        if which == 0:
            struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
        else:
            struct.pack_into("<HH", data, 26, width, height)
        return bytes(data)

    def pictures(self) -> Iterator[tuple[str, bytes]]:
        """Yield damaged pictures without end: (kind of damage, data)."""
        while True:
            data = bytearray(self._rng.choice(self._pictures))
            kind = self._rng.choice(["cut", "flipped", "filled", "noise", "bomb", "grown", "joined"])
            at = self._rng.randrange(len(data))
            match kind:
                case "cut":
                    del data[at:]
                case "flipped":
                    for _ in range(self._rng.choice([1, 8, 200])):
                        data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
                case "filled":
                    data[at : at + 200] = bytes([self._rng.randrange(256)]) * 200
                case "noise":
                    data[self._rng.choice([0, 4, 12, 30]) :] = self._rng.randbytes(self._rng.randrange(2000))
                case "bomb":
                    data = bytearray(self._rng.choice(self._bombs))
                case "grown":
                    data += self._rng.randbytes(self._rng.randrange(20_000))
                case "joined":
                    data[at:at] = self._rng.choice(self._pictures)
            yield kind, bytes(data)

    def requests(self) -> Iterator[Request]:
        """Yield requests without end, of each kind about equally many."""
        pictures = self.pictures()
        kinds: list[Callable[[], Request]] = [
            lambda: self._upload(*next(pictures)),
            self._wrong_type,
            self._wrong_host,
            self._wrong_token,
            self._too_long,
            self._left,
            self._bad_http,
            self._strange_path,
            self._login,
            self._other_site,
        ]
        while True:
            yield self._rng.choice(kinds)()

    def _request(self, kind: str, method: str, path: str, body: bytes = b"", /, **headers: str | None) -> Request:
        fields: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self._port}",
            "Authorization": f"Bearer {self._token}",
            "Content-Length": str(len(body)) if body or method == "POST" else None,
            "Connection": "close",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items() if value is not None),
        ]
        return Request(kind, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _upload(self, kind: str, data: bytes) -> Request:
        return self._request(f"upload {kind}", "POST", "/picture", data, Content_Type="image/jpeg")

    def _wrong_type(self) -> Request:
        kind = self._rng.choice(["text/html", "multipart/form-data; boundary=x", "", "image", "application/json"])
        return self._request("type", "POST", "/picture", self._rng.choice(self._pictures), Content_Type=kind)

    def _wrong_host(self) -> Request:
        host = self._rng.choice(_HOSTS)
        return self._request("host", "GET", self._rng.choice(["/", "/stream", "/metrics"]), Host=host)

    def _wrong_token(self) -> Request:
        wrong = self._rng.choice([None, "Bearer", "Bearer x", f"Basic {self._token}", f"Bearer {self._token[:-1]}"])
        cookie = self._rng.choice(_COOKIES)
        path = self._rng.choice(["/", "/stream", "/metrics", "/healthz", "/picture"])
        return self._request("token", "GET", path, Authorization=wrong, Cookie=cookie)

    def _too_long(self) -> Request:
        declared = self._rng.choice(["17000000", "99999999999999999999", "-5", "1e9", "4, 5", "0x10"])
        body = bytes(self._rng.choice([0, 10, 1000]))
        made = self._request("length", "POST", "/picture", body, Content_Type="image/png", Content_Length=declared)
        return Request("length", made.data, cut=declared == "17000000")

    def _left(self) -> Request:
        made = self._request("left", "POST", "/picture", self._rng.choice(self._pictures), Content_Type="image/jpeg")
        return Request("left", made.data[: self._rng.randrange(1, len(made.data))], cut=True)

    def _bad_http(self) -> Request:
        host = f"Host: 127.0.0.1:{self._port}\r\n"
        return Request(
            "http",
            self._rng.choice(
                [
                    self._rng.randbytes(200) + b"\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n",
                    b"GET\r\n\r\n",
                    b"GET / HTTP/1.0\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
                    f"GET / HTTP/1.1\r\n{host}{host}\r\n".encode(),
                    f"GET / HTTP/1.1\r\n{host}X: {'y' * 40_000}\r\n\r\n".encode(),
                    f"GET /{'a' * 40_000} HTTP/1.1\r\n{host}\r\n".encode(),
                    f"GET / HTTP/1.1\r\n{host}X: a\x00b\r\n\r\n".encode(),
                    f"POST /picture HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
                    f"POST /picture HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".encode(),
                    f"GET /stream HTTP/1.1\r\n{host}Upgrade: websocket\r\nConnection: upgrade\r\n\r\n".encode(),
                ]
            ),
        )

    def _strange_path(self) -> Request:
        return self._request("path", self._rng.choice(_METHODS), self._rng.choice(_PATHS))

    def _login(self) -> Request:
        body = self._rng.choice([b"", b"token=x", b"\xff" * 500, b"token=" + b"9" * 5000, b"&" * 4000, b"token[]=1"])
        return self._request("login", "POST", "/login", body, Authorization=None)

    def _other_site(self) -> Request:
        method = self._rng.choice(["GET", "POST"])
        return self._request("origin", method, "/picture/current", Origin=self._rng.choice(_ORIGINS))


def send(port: int, request: Request) -> int | None:
    """Send a request; returns the status of the answer, None if the connection ended without one."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(request.data)
            if request.cut:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n" not in answer and (part := connection.recv(4096)):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            return None
    return int(answer.split(None, 2)[1]) if answer.startswith(b"HTTP/1.") else None
