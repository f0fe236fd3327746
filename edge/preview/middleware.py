"""Stands before every request: right host, no other site's page behind it, the token where one is set."""

import re
from typing import Final
from urllib.parse import urlsplit

from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.preview.auth import PreviewAccess

COOKIE: Final = "emotion-edge-preview"

OPEN_PATHS: Final = frozenset({"/login", "/login.js", "/style.css", "/icon.svg"})
"""What a browser needs to ask for the token."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a browser sends our own form with the Origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex",
}


class SecurityMiddleware:
    """ASGI middleware. What it refuses never reaches the application."""

    def __init__(self, app: ASGIApp, access: PreviewAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on; every answer gets the security headers."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, send_with_headers)
        except LocalProtocolError:
            # What came after the header was no HTTP: the server has said so by itself, and closes the connection.
            while (await receive())["type"] != "http.disconnect":
                pass

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return _plain(400, "A request needs one Host header.")
        if not self._access.knows_host(hosts[0]):
            return _plain(
                421, "This is not the name of this sensor: set preview.names to the names that it is reached under."
            )
        origin = headers.get("origin")
        if origin is not None and not _same_site(origin, hosts[0]):
            return _plain(403, "Another site's page may not ask for this.")
        navigates = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not navigates:
            return _plain(403, "Another site's page may not ask for this.")
        if self._access.token is None or scope["path"] in OPEN_PATHS or self._admits(headers):
            return None
        if scope["path"] == "/" and scope["method"] in {"GET", "HEAD"}:
            return RedirectResponse("/login", 303)
        refusal = _plain(401, "This needs the token: open /login, or send it as Authorization: Bearer TOKEN.")
        refusal.headers["WWW-Authenticate"] = 'Bearer realm="emotion-edge"'
        return refusal

    def _admits(self, headers: Headers) -> bool:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._access.is_token(offered.strip()):
            return True
        return any(
            self._access.is_cookie(cookies[COOKIE])
            for line in headers.getlist("cookie")
            if COOKIE in (cookies := cookie_parser(line))
        )


def _same_site(origin: str, host: str) -> bool:
    """Tell whether an Origin names the host that the request was sent to; its scheme is a proxy's business."""
    match = re.fullmatch(r"https?://([^/?#@\s]+)", origin)
    if match is None:
        return False
    # A default port is left out of one and perhaps not of the other.
    default = 443 if origin.startswith("https") else 80
    try:
        ours, theirs = (
            (parts.hostname, parts.port or default) for parts in map(urlsplit, (f"//{host}", f"//{match[1]}"))
        )
    except ValueError:
        return False
    return ours == theirs


def _plain(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence + "\n", status)
