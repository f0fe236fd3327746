"""Defines the HTTP routes: page, login, stream, pictures on demand, areas, calm face, `/healthz`, `/metrics`."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.config.schema import PreviewConfig
from edge.messages.payloads import HealthPayload
from edge.pacing import TokenBucket
from edge.preview.areas import AreaWriter
from edge.preview.auth import PreviewAccess
from edge.preview.body import BodyRefusedError, check_length, drain, error_response, media_type, read_body
from edge.preview.calm_face import CalmFaceButtons
from edge.preview.feed import Feed
from edge.preview.framing import MEDIA_TYPE
from edge.preview.healthz import HealthProbe
from edge.preview.inspect import PictureRefusedError, StillInspector
from edge.preview.middleware import COOKIE, SecurityMiddleware
from edge.preview.probes import Probes
from edge.preview.stream import Stream

_MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_COOKIE_SECONDS: Final = 180 * 86_400
"""Lifetime of the cookie: half a year."""
_LOGIN_BYTES: Final = 4_096
_PICTURES_PER_SECOND, _PICTURES_AT_ONCE = 1.0, 5
"""Rate limit of inspected pictures: one takes 0.1 to 1 second, and a person with a phone stays below the limit."""
_MAX_PENDING: Final = 2
"""Maximum number of pictures in memory: one that is being inspected, one that is arriving."""
_LOGIN_ERROR: Final = '<p class="wrong" role="alert">That is not the token.</p>'
_LOGIN_ERROR_PLACE: Final = "<!-- wrong -->"


@dataclass(frozen=True, slots=True)
class RouteDependencies:
    """The objects that the routes use.

    `health` returns the sensor's health now. `worker` runs `inspector`, one picture at a time. `areas` applies masks
    and zones, `calm_face` shows the sensor a calm face. `picture_limit`: how often a picture is inspected; None: 5 at
    once, 1 per second in the long run.
    """

    config: PreviewConfig
    access: PreviewAccess
    feed: Feed
    stream: Stream
    probe: HealthProbe
    inspector: StillInspector
    health: Callable[[], HealthPayload]
    worker: Executor
    areas: AreaWriter
    calm_face: CalmFaceButtons
    picture_limit: TokenBucket | None = None


class Routes:
    """Handlers of all routes. `SecurityMiddleware` stands in front of them."""

    def __init__(self, parts: RouteDependencies) -> None:
        self._config, self._access, self._feed = parts.config, parts.access, parts.feed
        self._stream, self._inspector, self._worker = parts.stream, parts.inspector, parts.worker
        self._probes = Probes(parts.probe, parts.feed, parts.stream, parts.health)
        self._picture_limit = parts.picture_limit or TokenBucket(_PICTURES_PER_SECOND, _PICTURES_AT_ONCE)
        self._areas, self._calm_face = parts.areas, parts.calm_face
        self._pending = 0
        self._inspecting = asyncio.Lock()
        self._files = {entry.name: entry.read_bytes() for entry in (files(__package__) / "static").iterdir()}

    def app(self) -> ASGIApp:
        """Return the ASGI application, behind the security middleware."""
        names = [name for name in self._files if name.rpartition(".")[2] in _MEDIA_TYPES and name != "login.html"]
        app = Starlette(
            routes=[
                Route("/", self.page),
                *(Route(f"/{name}", self.file) for name in names if name != "index.html"),
                Route("/login", self.login, methods=["GET", "POST"]),
                Route("/stream", self.stream),
                Route("/picture", self.upload, methods=["POST"]),
                Route("/picture/current", self.current, methods=["POST"]),
                Route("/areas", self._areas.handle, methods=["POST"]),
                Route("/calm-face", self._calm_face.handle, methods=["POST"]),
                *self._probes.routes(),
            ]
        )
        return SecurityMiddleware(app, self._access)

    async def page(self, request: Request) -> Response:
        """Serve the page."""
        return self._static(request, "index.html")

    async def file(self, request: Request) -> Response:
        """Serve a file of the page. Each of them has a route, so no other path reaches this."""
        return self._static(request, request.url.path.removeprefix("/"))

    def _static(self, request: Request, name: str) -> Response:
        content = self._files[name]
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_MEDIA_TYPES[name.rpartition(".")[2]], headers=headers)

    async def login(self, request: Request) -> Response:
        """Serve the login form; exchange the token for a cookie."""
        if self._access.token is None:
            return RedirectResponse("/", 303)
        page = self._files["login.html"].decode()
        if request.method != "POST":
            return Response(page, media_type=_MEDIA_TYPES["html"])
        try:
            fields = parse_qs((await read_body(request, _LOGIN_BYTES)).decode(errors="replace"), max_num_fields=8)
        except (BodyRefusedError, ValueError):
            return PlainTextResponse("A form with the field token is expected.\n", 400)
        if not self._access.is_token(fields.get("token", [""])[0].strip()):
            return Response(page.replace(_LOGIN_ERROR_PLACE, _LOGIN_ERROR), 401, media_type=_MEDIA_TYPES["html"])
        redirect = RedirectResponse("/", 303)
        redirect.set_cookie(
            f"{COOKIE}-{self._access.cookie_suffix}",
            self._access.cookie,
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            # Behind a proxy with TLS the browser sends an origin with https.
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return redirect

    async def stream(self, _: Request) -> Response:
        """Serve the stream of records, until the client disconnects or the server stops."""
        if self._stream.full:
            return PlainTextResponse(
                f"{self._stream.watchers} pages are open, and preview.max_watchers allows no more: close one.\n",
                503,
            )
        return _StreamResponse(self._stream)

    async def upload(self, request: Request) -> Response:
        """Inspect the picture in the request's body."""
        kind = media_type(request)
        if not kind.startswith("image/") and kind != "application/octet-stream":
            await drain(request)
            return error_response(
                415, "Not read: a picture is expected, with its type as Content-Type, such as image/jpeg."
            )
        return await self._inspect(request)

    async def current(self, request: Request) -> Response:
        """Inspect the frame that the pipeline processed last."""
        latest = self._feed.latest
        if latest is None:
            return error_response(
                409, "There is no current frame: the camera is lost, the sensor is paused, or no frame has come yet."
            )
        return await self._inspect(request, lambda _: self._inspector.inspect_current(latest.frame), 0)

    async def _inspect(
        self, request: Request, inspect: Callable[[bytes], bytes] | None = None, limit: int | None = None
    ) -> Response:
        limit = self._config.max_upload_mb * 1_000_000 if limit is None else limit
        try:
            await check_length(request, limit)
        except BodyRefusedError as error:
            return error_response(error.status, str(error))
        if self._pending >= _MAX_PENDING or not self._picture_limit.take():
            await drain(request)
            busy = error_response(429, "Other pictures are being inspected: try again in a second.")
            busy.headers["Retry-After"] = "1"
            return busy
        self._pending += 1
        try:
            body = await read_body(request, limit)
            async with self._inspecting:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._worker, inspect or self._inspector.inspect_upload, body)
        except (BodyRefusedError, PictureRefusedError) as error:
            return error_response(error.status, str(error))
        finally:
            self._pending -= 1
        return Response(answer, media_type=MEDIA_TYPE)


class _StreamResponse(Response):
    """Sends the records of the stream. `send` returns late on a slow connection, which then skips pictures."""

    def __init__(self, stream: Stream) -> None:
        # A proxy must forward each record at once.
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            async with contextlib.aclosing(self._stream.watch()) as records:
                async for record in records:
                    if disconnected.done():
                        return
                    await send({"type": "http.response.body", "body": record, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            disconnected.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
