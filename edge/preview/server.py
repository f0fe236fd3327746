"""Runs the preview page: an HTTP server on one socket, in a thread with an event loop of its own."""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.levels import LADDER, Level
from edge.messages.payloads import EventPayload, InfoPayload
from edge.messages.summary import PeriodSummary
from edge.pacing import TokenBucket
from edge.preview.areas import AreaWriter
from edge.preview.auth import preview_access
from edge.preview.calm_face import CalmFaceButtons
from edge.preview.feed import Feed
from edge.preview.healthz import HealthProbe
from edge.preview.inspect import StillInspector
from edge.preview.interface import HealthProvider, NullPreview
from edge.preview.page_request import SubmitRequest
from edge.preview.routes import RouteDependencies, Routes
from edge.preview.stream import Stream
from edge.types import StepResult
from edge.vision.calm_face import CalmShift

log = logging.getLogger(__name__)

_MAX_CONNECTIONS: Final = 64
"""Maximum number of open connections; further ones are answered with 503."""
_SEND_TIMEOUT_MS: Final = 30_000
"""The kernel closes a connection whose peer acknowledges no data for this long."""
_SEND_BUFFER_BYTES: Final = 131_072
"""Send buffer requested from the kernel, which doubles it: about six pictures by which a slow watcher lags."""
_HEADER_BYTES: Final = 16_384
_KEEP_ALIVE_SECONDS: Final = 10
_IDLE_SECONDS: Final = 20.0
"""A connection without a complete request is closed after this time."""
_IDLE_CHECK_SECONDS: Final = 5.0
_SHUTDOWN_SECONDS: Final = 1
_JOIN_SECONDS: Final = 5.0


class PreviewServer(NullPreview):
    """The preview while the page is on.

    Construction binds the address and loads everything, so that a configuration that cannot be used is refused before
    the daemon starts. `submit`: hands the sensor requests of the page. `calm_face`: as of `StillInspector`.
    `picture_limit`: as of `RouteDependencies`. `idle_seconds`: how long a connection may stay without a complete
    request; `idle_check_seconds`: how often this is checked.
    """

    wants_hours = True

    def __init__(  # noqa: PLR0913 - the last three are for tests
        self,
        config: Config,
        health: HealthProvider,
        submit: SubmitRequest | None = None,
        calm_face: Callable[[], CalmShift | None] | None = None,
        *,
        picture_limit: TokenBucket | None = None,
        idle_seconds: float = _IDLE_SECONDS,
        idle_check_seconds: float = _IDLE_CHECK_SECONDS,
    ) -> None:
        """Bind the address; load a detector and a classifier. Raises EdgeError if one of them cannot be used."""
        preview = config.preview
        self._idle_seconds, self._idle_check_seconds = idle_seconds, idle_check_seconds
        self.feed = Feed(time.monotonic())
        self.event_published = self.feed.event_published
        access = preview_access(preview)
        self._token_required = access.token is not None
        self._socket = listen(preview.host, preview.port)
        self._host, self._port = self._socket.getsockname()[:2]
        try:
            inspector = StillInspector(config, calm_face)
        except BaseException:
            self._socket.close()
            raise
        self._worker = ThreadPoolExecutor(1, "preview-picture", initializer=_use_normal_priority)
        self._encoder = ThreadPoolExecutor(1, "preview-encoder")
        self.stream = Stream(preview, self.feed, lambda: health(self.feed), self._encoder, config.source)
        areas = AreaWriter(submit, has_token=self._token_required)
        calm_face_buttons = CalmFaceButtons(submit, has_token=self._token_required)
        self.stream.can_apply_areas = areas.can_apply
        self.stream.can_calibrate = calm_face_buttons.can_apply
        self._probe = HealthProbe(self.feed, stall_seconds=config.source.stall_seconds)
        routes = Routes(
            RouteDependencies(
                config=preview,
                access=access,
                feed=self.feed,
                stream=self.stream,
                probe=self._probe,
                inspector=inspector,
                health=lambda: health(self.feed),
                worker=self._worker,
                picture_limit=picture_limit,
                areas=areas,
                calm_face=calm_face_buttons,
            )
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                routes.app(),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                h11_max_incomplete_event_size=_HEADER_BYTES,
            )
        )
        # Invalid requests are no problem of the sensor, and their warnings would fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)

    @property
    def port(self) -> int:
        """Port that the page is served on; a free one if `preview.port` is 0."""
        return int(self._port)

    @property
    def running(self) -> bool:
        """Whether the server's thread is alive."""
        return self._thread.is_alive()

    def describe(self) -> str:
        """Return the URL of the page, and who may open it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        who = "anyone with the token" if self._token_required else "this machine alone"
        return f"http://{host}:{self.port}/, for {who}"

    def start(self, *, live: bool) -> None:
        """Start the server's thread. `live`: the source is a camera, not a file."""
        self._probe.live = live
        self._thread.start()
        log.info("preview page served at %s", self.describe())

    def stop(self) -> None:
        """End the streams and stop the server. Has no effect if it was not started."""
        self._server.should_exit = True
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._shut_down, self._loop)
            self._thread.join(_JOIN_SECONDS)
        self._socket.close()
        for executor in (self._worker, self._encoder):
            executor.shutdown(wait=False, cancel_futures=True)

    def set_info(self, info: InfoPayload) -> None:
        """Replace the description of the sensor."""
        self.stream.info = info

    def set_hours(self, hours: Sequence[PeriodSummary]) -> None:
        """Replace the summaries of the last hours, oldest first."""
        self.stream.hours = hours

    def show(self, result: StepResult, latency_ms: float, level: Level) -> None:
        """Show a processed frame."""
        self.feed.show(time.monotonic(), result, latency_ms, LADDER.index(level))

    def blank(self) -> None:
        """Remove the picture until the next frame."""
        self.feed.blank()

    def event_decided(self, payload: EventPayload) -> None:
        """Show an event that is about to be published."""
        self.feed.event_decided(payload)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            # The sensor continues: nothing in it depends on the page.
            log.exception("the preview page has failed and stays off until the next start; the sensor continues")

    def _shut_down(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stream.end()
        loop.call_later(2 * _SHUTDOWN_SECONDS, self._abort_connections)

    async def _close_idle_connections(self) -> None:
        """Close connections without a complete request: uvicorn itself waits for a request's header without limit."""
        idle_since: dict[object, float] = {}
        while not self.stream.ended:
            await asyncio.sleep(self._idle_check_seconds)
            now = time.monotonic()
            connections = [one for one in self._server.server_state.connections if isinstance(one, H11Protocol)]
            idle = [one for one in connections if one.cycle is None or one.cycle.response_complete]
            idle_since = {one: idle_since.get(one, now) for one in idle}
            for one in idle:
                if now - idle_since[one] > self._idle_seconds:
                    one.transport.close()

    def _abort_connections(self) -> None:
        """Abort connections that are still open: from Python 3.12 on the server's end waits for every one of them."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        updates = asyncio.create_task(self.stream.run())
        idle_check = asyncio.create_task(self._close_idle_connections())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self.stream.end()
            idle_check.cancel()
            await updates


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket with the page's limits; its connections inherit them. Raises ConfigError."""
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
        # Connections inherit these three.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SEND_TIMEOUT_MS)
        listener.bind(address)
        listener.listen(_MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"preview.port {port} at preview.host {host!r} cannot be used ({error.strerror}): set preview.port to a "
            "free port above 1023, and preview.host to an address of this machine"
        ) from None
    return listener


def _use_normal_priority() -> None:
    """Give the calling thread the ordinary scheduling policy: a picture on demand may take a second, and can wait.

    While it works in OpenCV and in the network it does not hold the interpreter's lock, so that no thread of higher
    priority waits for it.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
