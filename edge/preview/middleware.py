"""Refuses requests with a foreign host name, from another site's page, or without the token; adds security headers."""

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
"""Beginning of the cookie's name. Browsers send a cookie to every port of a host, so that the pages of two sensors with
different tokens need different names. A cookie with this name alone is of an earlier version."""

OPEN_PATHS: Final = frozenset({"/login", "/login.js", "/style.css", "/icon.svg"})
"""Paths that need no token: the login form and its files."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a browser submits the login form with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex",
}


class SecurityMiddleware:
    """ASGI middleware in front of the application. A refused request never reaches the application."""

    def __init__(self, app: ASGIApp, access: PreviewAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on; every response gets the security headers."""
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
            # The data after the header were not HTTP: the server itself has answered, and closes the connection.
            while (await receive())["type"] != "http.disconnect":
                pass

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return _plain(400, "A request needs exactly one Host header.")
        if not self._access.allows_host(hosts[0]):
            return _plain(
                421, "This host name is not known to the sensor: add it to preview.names in its configuration."
            )
        origin = headers.get("origin")
        if origin is not None and not _same_site(origin, hosts[0]):
            return _plain(403, "Requests from pages of other sites are refused.")
        navigates = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not navigates:
            return _plain(403, "Requests from pages of other sites are refused.")
        if self._access.token is None or scope["path"] in OPEN_PATHS or self._is_authenticated(headers):
            return None
        if scope["path"] == "/" and scope["method"] in {"GET", "HEAD"}:
            return RedirectResponse("/login", 303)
        refusal = _plain(401, "The token is required: open /login, or send the header Authorization: Bearer TOKEN.")
        refusal.headers["WWW-Authenticate"] = 'Bearer realm="emotion-edge"'
        return refusal

    def _is_authenticated(self, headers: Headers) -> bool:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._access.is_token(offered.strip()):
            return True
        return any(
            self._access.is_cookie(value)
            for line in headers.getlist("cookie")
            for name, value in cookie_parser(line).items()
            if name.startswith(COOKIE)
        )


def _same_site(origin: str, host: str) -> bool:
    """Return whether an Origin header names the host of the request. The scheme may differ: a proxy may provide TLS."""
    match = re.fullmatch(r"https?://([^/?#@\s]+)", origin)
    if match is None:
        return False
    # One of the two may contain the default port while the other omits it.
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
