"""What can be asked for over HTTP."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.config.schema import PreviewConfig
from edge.messages.payloads import HealthPayload
from edge.pacing import TokenBucket
from edge.preview.auth import PreviewAccess
from edge.preview.body import BodyRefusedError, check_length, drain, read_body
from edge.preview.feed import Feed
from edge.preview.framing import MEDIA_TYPE
from edge.preview.healthz import HealthProbe
from edge.preview.inspect import PictureRefusedError, StillInspector
from edge.preview.metrics import Metrics
from edge.preview.middleware import COOKIE, SecurityMiddleware
from edge.preview.stream import Stream

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_COOKIE_SECONDS: Final = 180 * 86_400
_LOGIN_BYTES: Final = 4_096
_PICTURES_PER_SECOND, _PICTURES_AT_ONCE = 1.0, 5
"""Reading one takes a tenth of a second to one; a person with a phone is slower."""
_WAITING: Final = 2
"""Pictures in memory: one that is read, one that arrives."""
_WRONG: Final = '<p class="wrong" role="alert">That is not the token.</p>'
_WRONG_MARK: Final = "<!-- wrong -->"


@dataclass(frozen=True, slots=True)
class RouteDependencies:
    """What the answers are made of. `worker` runs `on_demand`, one picture at a time."""

    config: PreviewConfig
    access: PreviewAccess
    window: Feed
    stream: Stream
    probe: HealthProbe
    on_demand: StillInspector
    health: Callable[[], HealthPayload]
    worker: Executor


class Routes:
    """Every answer that the page's server gives, but for what the guard refuses."""

    def __init__(self, parts: RouteDependencies) -> None:
        self._config, self._access, self._window = parts.config, parts.access, parts.window
        self._stream, self._probe, self._on_demand = parts.stream, parts.probe, parts.on_demand
        self._health, self._worker = parts.health, parts.worker
        self._metrics = Metrics(parts.window, parts.stream, parts.health)
        self._rate = TokenBucket(_PICTURES_PER_SECOND, _PICTURES_AT_ONCE)
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._files = {entry.name: entry.read_bytes() for entry in (files(__package__) / "static").iterdir()}

    def app(self) -> ASGIApp:
        """Return the application, guarded."""
        names = [name for name in self._files if name.rpartition(".")[2] in _TYPES and name != "login.html"]
        app = Starlette(
            routes=[
                Route("/", self.page),
                *(Route(f"/{name}", self.file) for name in names if name != "index.html"),
                Route("/login", self.login, methods=["GET", "POST"]),
                Route("/stream", self.stream),
                Route("/picture", self.upload, methods=["POST"]),
                Route("/picture/current", self.current, methods=["POST"]),
                Route("/healthz", self.healthz),
                Route("/metrics", self.metrics),
            ]
        )
        return SecurityMiddleware(app, self._access)

    async def page(self, request: Request) -> Response:
        """Give the page."""
        return self._static(request, "index.html")

    async def file(self, request: Request) -> Response:
        """Give a part of the page; the routes name them all."""
        return self._static(request, request.url.path.removeprefix("/"))

    def _static(self, request: Request, name: str) -> Response:
        content = self._files[name]
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    async def login(self, request: Request) -> Response:
        """Ask for the token, and exchange it for a cookie."""
        if self._access.token is None:
            return RedirectResponse("/", 303)
        page = self._files["login.html"].decode()
        if request.method != "POST":
            return Response(page, media_type=_TYPES["html"])
        try:
            fields = parse_qs((await read_body(request, _LOGIN_BYTES)).decode(errors="replace"), max_num_fields=8)
        except (BodyRefusedError, ValueError):
            return PlainTextResponse("A form with one field, token, is expected.\n", 400)
        if not self._access.is_token(fields.get("token", [""])[0].strip()):
            return Response(page.replace(_WRONG_MARK, _WRONG), 401, media_type=_TYPES["html"])
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            self._access.cookie,
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            # Behind a proxy that speaks TLS the browser says so.
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return answer

    async def stream(self, _: Request) -> Response:
        """Give what there is to see, record by record, as long as somebody watches."""
        if self._stream.full:
            return PlainTextResponse(f"{self._stream.watchers} pages watch already.\n", 503)
        return _Records(self._stream)

    async def upload(self, request: Request) -> Response:
        """Read the picture that is the request's body."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            await drain(request)
            return _sentence(415, "Not read: a picture is expected, with its type (image/jpeg) as Content-Type.")
        return await self._read(request)

    async def current(self, request: Request) -> Response:
        """Read the frame that the line processed last."""
        shown = self._window.latest
        if shown is None:
            return _sentence(409, "There is no frame now: the camera is away, or the sensor is paused.")
        return await self._read(request, lambda _: self._on_demand.frame(shown.frame), 0)

    async def _read(
        self, request: Request, read: Callable[[bytes], bytes] | None = None, limit: int | None = None
    ) -> Response:
        limit = self._config.max_upload_mb * 1_000_000 if limit is None else limit
        try:
            await check_length(request, limit)
        except BodyRefusedError as error:
            return _sentence(error.status, str(error))
        if self._waiting >= _WAITING or not self._rate.take():
            await drain(request)
            busy = _sentence(429, "Other pictures are being read: try again in a second.")
            busy.headers["Retry-After"] = "1"
            return busy
        self._waiting += 1
        try:
            body = await read_body(request, limit)
            async with self._turn:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._worker, read or self._on_demand.upload, body)
        except (BodyRefusedError, PictureRefusedError) as error:
            return _sentence(error.status, str(error))
        finally:
            self._waiting -= 1
        return Response(answer, media_type=MEDIA_TYPE)

    async def healthz(self, _: Request) -> Response:
        """Tell a probe whether frames go through."""
        status, said = self._probe.answer(self._health())
        return Response(msgspec.json.encode(said), status, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """Tell Prometheus."""
        body, content_type = self._metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})


def _sentence(status: int, sentence: str) -> Response:
    return Response(msgspec.json.encode({"error": sentence}), status, media_type="application/json")


class _Records(Response):
    """Writes what the stream gives. How far a connection is behind shows in how long `send` takes."""

    def __init__(self, stream: Stream) -> None:
        # A proxy must pass each record on as it comes.
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async with contextlib.aclosing(self._stream.watch()) as records:
                async for record in records:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": record, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
