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
from edge.errors import EdgeError
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
from edge.preview.listener import MAX_CONNECTIONS, PortTakenError, listen
from edge.preview.page_request import SubmitRequest
from edge.preview.probes import Probes
from edge.preview.routes import RouteDependencies, Routes
from edge.preview.stream import Stream
from edge.system.machine_lock import MachineLock
from edge.types import StepResult
from edge.vision.calm_face import CalmShift

log = logging.getLogger(__name__)

_HEADER_BYTES: Final = 16_384
_KEEP_ALIVE_SECONDS: Final = 10
_IDLE_SECONDS: Final = 20.0
"""A connection without a complete request is closed after this time."""
_IDLE_CHECK_SECONDS: Final = 5.0
_SHUTDOWN_SECONDS: Final = 1
_JOIN_SECONDS: Final = 5.0
_PORT_SECONDS: Final = 10.0
"""Interval at which a port that another program has is tried again."""


class PreviewServer(NullPreview):
    """The preview while the page is on, or only what probes ask for (`preview.probes`), without page and pictures.

    Construction binds the address and loads everything, so that a configuration that cannot be used is refused before
    the daemon starts. `submit`: hands the sensor requests of the page. `calm_face`: as of `StillInspector`.
    `wait_for_port`: where another program has the port, the server starts without it, and serves the page once it is
    free. `picture_limit`: as of `RouteDependencies`. `idle_seconds`: how long a connection may stay without a complete
    request; `idle_check_seconds`: how often this is checked; `port_seconds`: how often a taken port is tried.
    """

    def __init__(  # noqa: PLR0913 - the last four are for tests
        self,
        config: Config,
        health: HealthProvider,
        submit: SubmitRequest | None = None,
        calm_face: Callable[[], CalmShift | None] | None = None,
        *,
        wait_for_port: bool = False,
        picture_limit: TokenBucket | None = None,
        idle_seconds: float = _IDLE_SECONDS,
        idle_check_seconds: float = _IDLE_CHECK_SECONDS,
        port_seconds: float = _PORT_SECONDS,
    ) -> None:
        """Bind the address; load a detector and a classifier. Raises EdgeError if one of them cannot be used."""
        preview = self._config = config.preview
        self._probes_only = preview.probes and not preview.enabled
        self._what = "probes" if self._probes_only else "preview page"
        self.wants_hours = not self._probes_only
        self._idle_seconds, self._idle_check_seconds, self._port_seconds = (
            idle_seconds,
            idle_check_seconds,
            port_seconds,
        )
        self.feed = Feed(time.monotonic())
        self.event_published = self.feed.event_published
        access = preview_access(preview)
        self._token_required = access.token is not None
        self._lock = MachineLock()
        self._host, self._port = preview.host, preview.port
        self._socket: socket.socket | None = None
        self._taken: PortTakenError | None = None
        self._stopped = threading.Event()
        try:
            self._listen()
        except PortTakenError as error:
            if not wait_for_port:
                raise
            self._taken = error
        try:
            inspector = None if self._probes_only else StillInspector(config, calm_face)
        except BaseException:
            self._close_socket()
            raise
        self._inspector = inspector
        self._worker = ThreadPoolExecutor(1, "preview-picture", initializer=_use_normal_priority)
        self._encoder = ThreadPoolExecutor(1, "preview-encoder")
        self.stream = Stream(preview, self.feed, lambda: health(self.feed), self._encoder, config.source)
        areas = AreaWriter(submit, has_token=self._token_required)
        calm_face_buttons = CalmFaceButtons(submit, has_token=self._token_required)
        self.stream.can_apply_areas = areas.can_apply
        self.stream.can_calibrate = calm_face_buttons.can_apply
        self._probe = HealthProbe(self.feed, stall_seconds=config.source.stall_seconds)
        if inspector is None:
            app = Probes(self._probe, self.feed, self.stream, lambda: health(self.feed)).app(access)
        else:
            app = Routes(
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
            ).app()
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
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
        """Return the URL of the page, or those of the probes, and who may open it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        who = "anyone with the token" if self._token_required else "this machine alone"
        url = f"http://{host}:{self.port}/"
        return f"{url}healthz and {url}metrics, for {who}" if self._probes_only else f"{url}, for {who}"

    def start(self, *, live: bool) -> None:
        """Start the server's thread. `live`: the source is a camera, not a file."""
        self._probe.live = live
        if self._taken is None:
            log.info("%s served at %s", self._what, self.describe())
        else:
            page = "the sensor runs without its page until the port is free"
            probes = "the sensor answers no probes until the port is free"
            log.warning("%s; %s", self._taken, probes if self._probes_only else page)
        self._thread.start()

    def stop(self) -> None:
        """End the streams and stop the server. Has no effect if it was not started."""
        self._server.should_exit = True
        self._stopped.set()
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._shut_down, self._loop)
            self._thread.join(_JOIN_SECONDS)
        self._close_socket()
        for executor in (self._worker, self._encoder):
            executor.shutdown(wait=False, cancel_futures=True)

    def set_info(self, info: InfoPayload) -> None:
        """Replace the description of the sensor."""
        self.stream.info = info

    def use_model(self, config: Config) -> None:
        """Read pictures on demand with another model from now on. `config`: names it, and the groups of its labels."""
        if self._inspector is not None:
            self._worker.submit(_use_model, self._inspector, config)

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

    def _listen(self) -> None:
        preview = self._config
        self._socket = listen(preview.host, preview.port, self._lock)
        self._host, self._port = self._socket.getsockname()[:2]

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._lock.close()

    def _wait_for_port(self) -> None:
        """Try the port until it is free or the server is stopped."""
        while self._socket is None and not self._stopped.wait(self._port_seconds):
            with contextlib.suppress(EdgeError):
                self._listen()
                log.info("the port is free now: %s served at %s", self._what, self.describe())

    def _run(self) -> None:
        try:
            self._wait_for_port()
            if self._socket is not None and not self._stopped.is_set():
                asyncio.run(self._serve(self._socket))
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

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        updates = asyncio.create_task(self.stream.run())
        idle_check = asyncio.create_task(self._close_idle_connections())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            self.stream.end()
            idle_check.cancel()
            await updates


def _use_model(inspector: StillInspector, config: Config) -> None:
    """Have pictures read with another model; the one before stays where that cannot be loaded."""
    try:
        inspector.use_model(config)
    except EdgeError as error:
        log.warning("pictures on demand are read with the model before: %s", error)


def _use_normal_priority() -> None:
    """Give the calling thread the ordinary scheduling policy: a picture on demand may take a second, and can wait.

    While it works in OpenCV and in the network it does not hold the interpreter's lock, so that no thread of higher
    priority waits for it.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
