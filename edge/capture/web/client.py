"""Asks a camera for a page over HTTP, and says in one sentence what is wrong with its answer.

Certificates are not verified: cameras have self-signed ones, and FFmpeg, which reads the other streams, verifies none
either. So `https://` keeps listeners out, but not someone who can take the camera's place in the network.
"""

import contextlib
import http.client
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from edge.capture.web.auth import Authenticator, split_credentials
from edge.errors import SourceError
from edge.redact import redacted

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_USER_AGENT: Final = "emotion-edge"
_UNAUTHORIZED: Final = 401
_OK: Final = frozenset(range(200, 300)) - {204, 205}  # these two promise that nothing follows
_FINAL: Final = frozenset({401, 403, 404, 410})
_PRINTABLE_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
"""Characters of a path that are sent as they stand; others, which people write unescaped, are percent-encoded."""
_MAX_SKIPPED_BYTES: Final = 65_536  # the page of an error is read to keep the connection, a longer one is not


class RefusedError(SourceError):
    """The camera answers, and what it says does not change by asking again: wrong credentials, wrong path."""


class _Answer(http.client.HTTPResponse):
    """An answer that may lack its first line: some cameras begin with their headers, as HTTP 1.0 never allowed."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().__init__(sock, *arguments, **options)
        beginning = self.fp.peek(1)[:5]
        if beginning and not b"HTTP/".startswith(beginning):
            self.fp = io.BufferedReader(_Prefixed(b"HTTP/1.0 200 OK\r\n", self.fp))


class _Prefixed(io.RawIOBase):
    def __init__(self, prefix: bytes, rest: io.BufferedReader) -> None:
        self._prefix, self._rest = prefix, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer, which has no type in Python 3.11
        data = self._prefix[: len(buffer)] or self._rest.read1(len(buffer))
        self._prefix = self._prefix[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._rest.close()
        super().close()


class HttpClient:
    """A connection to one camera, kept between two requests where the camera allows it. Not thread-safe.

    `timeout_seconds` limits the connection, and each wait for more bytes.
    """

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        self.shown = redacted(uri)
        self._timeout_seconds = timeout_seconds
        try:
            self._uri, credentials = split_credentials(uri)
        except ValueError as error:
            raise SourceError(f"The address {self.shown} cannot be used: {error}") from error
        self._has_credentials = credentials is not None
        self._authenticator = Authenticator(credentials)
        self._connection: http.client.HTTPConnection | None = None
        self._origin: tuple[str, str] | None = None
        self._socket: socket.socket | None = None
        self._answer: http.client.HTTPResponse | None = None

    def get(self) -> http.client.HTTPResponse:
        """Ask for the page; returns the answer, whose body is not read yet.

        Raises SourceError, at once, where the camera cannot be reached or answers with anything but success.
        """
        uri = self._uri
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._authorized(uri)
            location = answer.headers.get("Location")
            if answer.status in _REDIRECTS and location:
                self._finish(answer)
                try:
                    target = urljoin(uri, location)
                    split_credentials(target)
                except ValueError as error:
                    message = f"The camera at {self.shown} redirects to an address that cannot be used: {error}"
                    raise RefusedError(message) from error
                same_host = urlsplit(target).hostname == urlsplit(uri).hostname
                if urlsplit(target).scheme not in {"http", "https"} or not same_host:
                    raise RefusedError(
                        f"The camera at {self.shown} redirects to {redacted(target)}, another machine:"
                        " write that address into source.uri if it is meant"
                    )
                uri = target
                continue
            if answer.status not in _OK:
                self.close()
                kind = RefusedError if answer.status in _FINAL else SourceError
                raise kind(self._refusal(answer.status, answer.reason))
            return answer
        self.close()
        raise RefusedError(f"The camera at {self.shown} redirects in a circle: the path must be that of its pictures")

    def limit_wait(self, seconds: float) -> None:
        """Limit each wait for more bytes of the last answer."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.settimeout(seconds)

    def close(self) -> None:
        """Disconnect; closing again does nothing."""
        if self._answer is not None:
            with contextlib.suppress(OSError):
                self._answer.close()
        if self._connection is not None:
            self._connection.close()
        self._connection = self._answer = self._socket = None

    def _authorized(self, uri: str) -> http.client.HTTPResponse:
        answer = self._request(uri)
        while answer.status == _UNAUTHORIZED and self._authenticator.challenged(
            answer.headers.get_all("WWW-Authenticate") or []
        ):
            self._finish(answer)
            answer = self._request(uri)
        return answer

    def _request(self, uri: str) -> http.client.HTTPResponse:
        reused = self._connection is not None and self._socket is not None and self._origin == _origin(uri)
        try:
            return self._try(uri)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # A connection that was kept may have been closed by the camera meanwhile.
            if reused and not isinstance(error, TimeoutError):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return self._try(uri)
                self.close()
            raise SourceError(f"No video stream at {self.shown}: {_reason(error, self._timeout_seconds)}") from error

    def _try(self, uri: str) -> http.client.HTTPResponse:
        if self._connection is None or self._origin != _origin(uri):
            self.close()
            self._connection = _connect(uri, self._timeout_seconds)
            self._origin = _origin(uri)
        parts = urlsplit(uri)
        path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_PRINTABLE_ASCII)
        headers: dict[str, str | bytes] = {"User-Agent": _USER_AGENT, "Accept": "*/*"}
        authorization = self._authenticator.header("GET", path)
        if authorization is not None:
            headers["Authorization"] = _encoded(authorization)
        self._connection.request("GET", path, headers=headers)
        self._socket = self._connection.sock
        self.limit_wait(self._timeout_seconds)
        self._answer = self._connection.getresponse()
        return self._answer

    def _finish(self, answer: http.client.HTTPResponse) -> None:
        """Read an answer to its end, so that its connection can be used again, or close it."""
        if answer.length is None or answer.length > _MAX_SKIPPED_BYTES or answer.will_close:
            self.close()
        else:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer.read()

    def _refusal(self, status: int, reason: str) -> str:
        answer = f"{status} {reason or http.client.responses.get(status, '')}".strip()
        return refusal(self.shown, status, answer, has_credentials=self._has_credentials)


def refusal(shown: str, status: int, answer: str, *, has_credentials: bool) -> str:
    """Return the sentence for an answer of HTTP or RTSP that is no success. `shown`: the URI without credentials."""
    match status:
        case 401 if has_credentials:
            return f"The camera at {shown} refuses the user name or the password ({answer})"
        case 401:
            return (
                f"The camera at {shown} wants a user name and a password ({answer}):"
                " write them into source.uri in front of the host, as USER:PASSWORD@"
            )
        case 403:
            return f"The camera at {shown} refuses access ({answer}): its settings must allow this user to view it"
        case 404 | 410:
            return (
                f"The camera at {shown} has nothing there ({answer}): the path must be that of a stream or a snapshot"
            )
    return f"The camera at {shown} answers {answer}"


def _encoded(header: str) -> bytes:
    """Return a header as bytes: what came from the camera's challenge as it came, names of other scripts as UTF-8."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()


def _origin(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc


def _connect(uri: str, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(uri)
    assert parts.hostname is not None  # noqa: S101 - for the type checker; split_credentials checked it
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_seconds, context=unverified_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
    answer_class: Callable[..., http.client.HTTPResponse] = _Answer
    connection.response_class = answer_class  # type: ignore[assignment]
    connection.auto_open = 1
    return connection


def unverified_context() -> ssl.SSLContext:
    """Return a TLS context that takes any certificate, and the old algorithms that cameras have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _reason(error: Exception, timeout_seconds: float) -> str:
    """Return in words why there is no answer."""
    right = "host and port must be those of the camera"
    match error:
        case TimeoutError():
            return f"no answer within {timeout_seconds:g} s: {right}"
        case socket.gaierror():
            return f"the name of the host cannot be resolved ({error.strerror}): {right}"
        case ssl.SSLError():
            return (
                f"no TLS connection ({error.reason or error}): the scheme must be http:// where the camera has no TLS"
            )
        case http.client.RemoteDisconnected():
            return "the camera closes the connection without an answer"
        case OSError():
            return f"{error.strerror or error}: {right}, and its credentials must be in the address"
    return "the answer is not HTTP"
