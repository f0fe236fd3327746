"""The network between sensor and broker: a TCP proxy that is cut, delayed, reset or made deaf on demand."""

import contextlib
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Final

from support.held_port import HeldPort

from .ledger import Ledger, Tap, message_id

_CHUNK_BYTES: Final = 65_536
_POLL_SECONDS: Final = 0.05
_CONNECT_SECONDS: Final = 5.0
_JOIN_SECONDS: Final = 10.0
_PUBACK: Final = b"\x40\x02"


class Proxy:
    """Forwards connections to `broker_port`, and notes in `ledger` what passes. `port`: where the sensor connects.

    `admits` decides whether a new connection is let through; else it is reset. `hold_up` and `hold_down` stop the
    forwarding in one direction without closing anything; `delay_seconds` delays each piece of data.
    `swallow`: the number of the event that the proxy takes away, with an acknowledgement that it forges: a loss that
    the soak must find (None: none).
    """

    def __init__(
        self, broker_port: int, ledger: Ledger, admits: Callable[[], bool] = lambda: True, swallow: int | None = None
    ) -> None:
        self._broker_port = broker_port
        self._ledger = ledger
        self._admits = admits
        self._swallow = swallow
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self.hold_up = threading.Event()
        self.hold_down = threading.Event()
        self.delay_seconds = 0.0
        self._held = HeldPort()
        self.port = self._held.number
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def reset(self) -> None:
        """Reset every connection; what is in transit is lost."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for sock in itertools.chain(*pairs):
            _reset(sock)

    def stop_listening(self) -> None:
        """Refuse new connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def listen_again(self) -> None:
        """Take new connections at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def heal(self) -> None:
        """Forward without delay again."""
        self.hold_up.clear()
        self.hold_down.clear()
        self.delay_seconds = 0.0

    def close(self) -> None:
        """Close everything."""
        self._closed.set()
        self.stop_listening()
        self._held.release()
        self.reset()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def _listen(self) -> None:
        self._run(self._accept, self._listener)

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sensor, _ = listener.accept()
            except OSError:
                return
            try:
                if not self._admits():
                    raise ConnectionRefusedError
                broker = socket.create_connection(("127.0.0.1", self._broker_port), _CONNECT_SECONDS)
            except OSError:
                _reset(sensor)
                sensor.close()
                continue
            for sock in (sensor, broker):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((sensor, broker))
            tap = self._ledger.connection()
            self._run(
                self._forward, (sensor, broker), self.hold_up, lambda data, s=sensor, t=tap: self._up(data, s, t), tap
            )
            self._run(self._forward, (broker, sensor), self.hold_down, lambda data, t=tap: self._down(data, t), tap)

    def _forward(
        self,
        pair: tuple[socket.socket, socket.socket],
        hold: threading.Event,
        passed: Callable[[bytes], bytes],
        tap: Tap,
    ) -> None:
        source, target = pair
        with contextlib.suppress(OSError, ValueError):  # closed by a reset
            while not self._closed.is_set():
                if hold.is_set():
                    time.sleep(_POLL_SECONDS)
                    continue
                readable, _, _ = select.select([source], [], [], _POLL_SECONDS)
                if not readable or hold.is_set():
                    continue
                data = source.recv(_CHUNK_BYTES)
                if not data:
                    break
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                target.sendall(passed(data))
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._pairs = [pair for pair in self._pairs if source not in pair]
        self._ledger.connection_ended(tap)
        source.close()

    def _up(self, data: bytes, sensor: socket.socket, tap: Tap) -> bytes:
        packets = tap.up(data)
        if self._swallow is None:
            return data
        kept = b""
        for packet, key in packets:
            if key is not None and key[1] == self._swallow:
                self._swallow = -1  # once
                sensor.sendall(_PUBACK + message_id(packet))
            else:
                kept += packet
        return kept

    @staticmethod
    def _down(data: bytes, tap: Tap) -> bytes:
        tap.down(data)
        return data


def _reset(sock: socket.socket) -> None:
    """Reset a connection: its close sends RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes the thread that forwards; its close then sends the reset.
        sock.shutdown(socket.SHUT_RD)
