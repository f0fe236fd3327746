"""The page's server: a thread with an event loop of its own, a thread for pictures, a socket."""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.levels import LADDER, Level
from edge.messages.payloads import EventPayload, InfoPayload
from edge.preview.auth import preview_access
from edge.preview.factory import HealthNow, NullPreview
from edge.preview.feed import Feed
from edge.preview.healthz import HealthProbe
from edge.preview.inspect import StillInspector
from edge.preview.routes import RouteDependencies, Routes
from edge.preview.stream import Stream
from edge.types import StepResult

log = logging.getLogger(__name__)

_CONNECTIONS: Final = 64
"""At once; further ones are told 503."""
_STUCK_MS: Final = 30_000
"""A connection whose other end takes nothing for so long is cut by the kernel."""
_SEND_BUFFER_BYTES: Final = 131_072
"""Asked of the kernel, which doubles it: about six pictures that a slow watcher is behind."""
_HEADER_BYTES: Final = 16_384
_KEEP_ALIVE_SECONDS: Final = 10
_HEADER_SECONDS, _SWEEP_SECONDS = 20.0, 5.0
"""How long a connection may take to ask for something, and how often that is looked at."""
_GOODBYE_SECONDS: Final = 1
_JOIN_SECONDS: Final = 5.0


class PreviewServer(NullPreview):
    """The page, served. Built before anything starts."""

    def __init__(self, config: Config, health: HealthNow) -> None:
        """Bind the address and load a detector and a classifier. Raises EdgeError where something is wrong."""
        preview = config.preview
        self.window = Feed()
        self.published = self.window.published
        allowed = preview_access(preview)
        self._guarded = allowed.token is not None
        self._socket = _bound(preview.host, preview.port)
        self._address = self._socket.getsockname()[:2]
        try:
            on_demand = StillInspector(config)
        except BaseException:
            self._socket.close()
            raise
        self._worker = ThreadPoolExecutor(1, "preview-picture", initializer=_step_back)
        self._encoder = ThreadPoolExecutor(1, "preview-encoder")
        self._stream = Stream(preview, self.window, lambda: health(self.window), self._encoder)
        self._probe = HealthProbe(self.window, stall_seconds=config.source.stall_seconds)
        parts = RouteDependencies(
            config=preview,
            access=allowed,
            window=self.window,
            stream=self._stream,
            probe=self._probe,
            on_demand=on_demand,
            health=lambda: health(self.window),
            worker=self._worker,
        )
        self._pages = Routes(parts)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._pages.app(),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GOODBYE_SECONDS,
                h11_max_incomplete_event_size=_HEADER_BYTES,
            )
        )
        # What is wrong with a request is the sender's business, and would fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)

    def describe(self) -> str:
        """Say where the page is, and for whom."""
        host, port = self._address
        url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        whom = "whoever has the token" if self._guarded else "this machine alone"
        return f"{url}, for {whom}"

    def start(self, *, live: bool) -> None:
        """Serve, from a thread of its own; `live`: the source is a camera."""
        self._probe.live = live
        self._thread.start()
        log.info("showing what the sensor sees at %s", self.describe())

    def stop(self) -> None:
        """End it; watchers are told. Without effect where it does not run."""
        self._server.should_exit = True
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop ended meanwhile
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._end, self._loop)
            self._thread.join(_JOIN_SECONDS)
        self._socket.close()
        for executor in (self._worker, self._encoder):
            executor.shutdown(wait=False, cancel_futures=True)

    def introduce(self, info: InfoPayload) -> None:
        """Say what this sensor is; the last word counts."""
        self._stream.info = info

    def show(self, result: StepResult, latency_ms: float, level: Level) -> None:
        """Take a frame that was processed at a level."""
        self.window.show(time.monotonic(), result, latency_ms, LADDER.index(level))

    def blank(self) -> None:
        """Show nothing until the next frame."""
        self.window.blank()

    def decided(self, payload: EventPayload) -> None:
        """Take an event that is about to be published."""
        self.window.decided(payload)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            # The sensor's work goes on: nothing of it depends on who watches.
            log.exception("the page is gone until the next start")

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stream.end()
        loop.call_later(2 * _GOODBYE_SECONDS, self._cut)

    async def _sweep(self) -> None:
        """Close connections that neither ask nor listen: the server itself waits for a request's header for ever."""
        idle_since: dict[object, float] = {}
        while not self._stream.ended:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            connections = [one for one in self._server.server_state.connections if isinstance(one, H11Protocol)]
            idle = [one for one in connections if one.cycle is None or one.cycle.response_complete]
            idle_since = {one: idle_since.get(one, now) for one in idle}
            for one in idle:
                if now - idle_since[one] > _HEADER_SECONDS:
                    one.transport.close()

    def _cut(self) -> None:
        """Cut whoever does not take the good-bye: from Python 3.12 on the end waits for every connection."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        turns = asyncio.create_task(self._stream.run())
        sweep = asyncio.create_task(self._sweep())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._stream.end()
            sweep.cancel()
            await turns


def _bound(host: str, port: int) -> socket.socket:
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
        # Connections inherit these three from the one that listens.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_MS)
        listener.bind(address)
        listener.listen(_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"preview.port {port} at preview.host {host!r} cannot be used ({error.strerror}): set preview.port to a "
            "free port above 1023, and preview.host to an address of this machine"
        ) from None
    return listener


def _step_back() -> None:
    """Give the calling thread the ordinary priority: a picture on demand may take a second, and can wait.

    It holds no lock of the interpreter while it does, so that nobody with a higher one waits for it.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
