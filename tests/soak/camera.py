"""A network camera on the loopback interface that stalls, vanishes, sends garbage or changes its size on demand."""

import contextlib
import random
import socket
import threading
import time
from typing import Final, Literal

import cv2

from edge.capture.scripted.script import parse_script
from edge.capture.scripted.source import ScriptedSource
from edge.capture.source import SourceOptions
from support.held_port import HeldPort

FPS: Final = 10
SCRIPT: Final = (
    "happy=0.9,surprise=0.9,sad=1,happy=0.9,angry=1,none=1.1,neutral=0.9,surprise=0.9,happy=0.9,sad=1,none=1.1"
)
"""Changes its expression each second, more than twice the dwell of the soak's configuration: many events."""
_WIDTHS_PX: Final = {"ok": 480, "resized": 320}
_GARBAGE_BYTES: Final = 4000
_JOIN_SECONDS: Final = 10.0

Mode = Literal["ok", "stalled", "garbage", "resized"]


def _render() -> dict[str, list[bytes]]:
    """Return one run of the script as JPEG, in each size."""
    source = ScriptedSource(parse_script(f"scripted:{SCRIPT}?seed=3&fps={FPS}"), SourceOptions())
    source.open()
    jpegs: dict[str, list[bytes]] = {name: [] for name in _WIDTHS_PX}
    while (frame := source.read()) is not None:
        for name, width_px in _WIDTHS_PX.items():
            small = cv2.resize(frame.luma, (width_px, width_px * 3 // 4), interpolation=cv2.INTER_AREA)
            jpegs[name].append(cv2.imencode(".jpg", small)[1].tobytes())
    return jpegs


class Camera:
    """Serves the scripted actor as Motion JPEG in an endless loop. `uri`: where.

    `mode` may be set at any time. `go` closes the port and every connection, `come_back` opens it again.
    """

    def __init__(self, seed: int) -> None:
        self.mode: Mode = "ok"
        self._rng = random.Random(seed)
        self._jpegs = _render()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._held = HeldPort()
        self._port = self._held.number
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self.uri = f"http://viewer:soak-secret@127.0.0.1:{self._port}/stream.mjpg"
        self._listen()

    def go(self) -> None:
        """Close the port and every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Open the port again."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._listen()

    def close(self) -> None:
        """End the camera."""
        self.go()
        self._held.release()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def _listen(self) -> None:
        self._run(self._accept, self._listener)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._clients.append(client)
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.recv(4096)
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
            while client.fileno() != -1:
                with self._lock:
                    if client not in self._clients:
                        return
                if self.mode != "stalled":
                    client.sendall(self._part())
                time.sleep(1 / FPS)

    def _part(self) -> bytes:
        mode = self.mode
        jpegs = self._jpegs["resized" if mode == "resized" else "ok"]
        # By the clock: a camera that stalls does not stop the actor.
        jpeg = jpegs[int((time.monotonic() - self._began) * FPS) % len(jpegs)]
        if mode == "garbage":
            noise = self._rng.randbytes(_GARBAGE_BYTES)
            # In turn: noise in the place of a picture, a picture that is cut off, and noise in the place of a part.
            choice = self._rng.randrange(3)
            if choice == 2:
                return noise
            jpeg = noise if choice == 0 else jpeg[: len(jpeg) // 2]
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        return head.encode() + jpeg + b"\r\n"
