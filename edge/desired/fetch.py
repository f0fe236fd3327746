"""Fetches a file over https whose size and sum are known, into a folder. Everything else is refused."""

import contextlib
import hashlib
import http.client
import os
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import urlsplit

from edge import __version__
from edge.desired.errors import FetchError, UnfitError
from edge.errors import ConfigError
from edge.messages.text import printable
from edge.system.files import sync_folder

_READ_SECONDS: Final = 20.0
"""Longest silence of a server, and of its handshake."""
_SLOWEST_BYTES_PER_SECOND: Final = 5_000
"""Rate below which a download is given up after a minute: a model of 3 MB takes eleven minutes then."""
_GRACE_SECONDS: Final = 60.0
_WATCH_SECONDS: Final = 0.5
_MOST_SAID: Final = 200
"""Characters of what a server says that a sentence repeats."""
_CHUNK_BYTES: Final = 65_536
_MAX_REDIRECTS: Final = 5
_SPARE_BYTES: Final = 5_000_000
"""Room on the disk that a download leaves to the outbox."""
_MENDS: Final = (408, 425, 429)
"""Statuses of the client's side that mean "later", beside all of the server's."""


class Fetcher:
    """Fetches files into a folder. `ca_file`: authorities to trust in place of the system's; empty: those.

    `interrupted`: whether to give up, asked for twice a second. `read_seconds`: longest silence. `grace_seconds`: time
    for a connection and an answer, beside that of the content.
    """

    def __init__(
        self,
        folder: Path,
        ca_file: str = "",
        interrupted: Callable[[], bool] = lambda: False,
        read_seconds: float = _READ_SECONDS,
        grace_seconds: float = _GRACE_SECONDS,
    ) -> None:
        self._folder, self._ca_file, self._interrupted = folder, ca_file, interrupted
        self._read_seconds, self._grace_seconds = read_seconds, grace_seconds

    def fetch(self, url: str, name: str, *, size: int, sha256: str) -> Path:
        """Return the file of that name in the folder, fetched unless it is there. It is on the disk then, whole.

        Raises FetchError where another attempt may succeed, UnfitError where what is there is another file, and
        ConfigError where `desired.ca_file` cannot be used.
        """
        target = self._folder / name
        if has_sum(target, sha256):
            return target
        context = ca_context(self._ca_file)
        partial = self._folder / f".partial-{name}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
            if free < size + _SPARE_BYTES:
                raise FetchError(
                    f"{url} has {size} bytes, and the disk of {self._folder} has {free} left: {_SPARE_BYTES} must stay"
                )
            with partial.open("wb") as file:
                found = self._download(url, context, file, size)
                file.flush()
                os.fsync(file.fileno())
            if found != sha256:
                raise UnfitError(f"{url} has the sha256 {found[:12]}..., and the document states {sha256[:12]}...")
            partial.replace(target)
            sync_folder(self._folder)
        except (urllib.error.URLError, http.client.HTTPException, ValueError) as error:
            raise _failure(url, error) from None
        except OSError as error:
            where = self._folder if error.filename or error.errno in {28, 122} else url
            raise FetchError(f"{url} could not be fetched ({where}: {error.strerror or error})") from None
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _download(self, url: str, context: ssl.SSLContext, file: IO[bytes], size: int) -> str:
        """Write what an address has to a file; returns its sum. Raises as `fetch`, and OSError."""
        deadline = time.monotonic() + self._grace_seconds + size / _SLOWEST_BYTES_PER_SECOND
        digest, received = hashlib.sha256(), 0
        request = urllib.request.Request(url, headers={"User-Agent": f"emotion-edge/{__version__}"})  # noqa: S310 - checked
        watch = _Watch(lambda: self._interrupted() or time.monotonic() > deadline)
        try:
            with watch, _opener(context, watch).open(request, timeout=self._read_seconds) as response:
                while received <= size and (chunk := response.read1(min(_CHUNK_BYTES, size + 1 - received))):
                    if watch.over():
                        break
                    received += len(chunk)
                    digest.update(chunk)
                    file.write(chunk)
        except (OSError, http.client.HTTPException):
            if not watch.over():
                raise
        if self._interrupted():
            raise FetchError(f"{url} was given up: the sensor stops, or another document has come")
        if received < size and time.monotonic() > deadline:
            raise FetchError(f"{url} comes too slowly: {received} of {size} bytes so far")
        if received < size and response.length:
            raise FetchError(f"{url} broke off after {received} of {size} bytes")
        if received != size:
            more = "more" if received > size else str(received)
            raise UnfitError(f"{url} has {more} bytes, and the document states {size}")
        return digest.hexdigest()


def has_sum(file: Path, sha256: str) -> bool:
    """Return whether a file is there and has a sum."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:
        return False


def ca_context(ca_file: str) -> ssl.SSLContext:
    """Return what certificates are checked by. Raises ConfigError where `desired.ca_file` cannot be used."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError too
        raise ConfigError(
            f"desired.ca_file is {ca_file!r}, which cannot be used ({error.strerror or error}): it must be a PEM file "
            "of certificates"
        ) from None


class _Watch:
    """Ends connections, also while they are read, once it is `over`.

    A server that sends a byte now and then keeps any time limit of a read, and the thread that waits for it could
    neither stop nor read another document.
    """

    def __init__(self, over: Callable[[], bool]) -> None:
        self.over = over
        self._sockets: list[socket.socket] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def add(self, sock: socket.socket) -> None:
        """Watch a connection."""
        self._sockets.append(sock)

    def _run(self) -> None:
        while not self._done.wait(_WATCH_SECONDS):
            if self.over():
                for sock in list(self._sockets):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of TLS would wait for the reader


class _HttpsHandler(urllib.request.HTTPSHandler):
    """Opens https addresses, and shows the connections to a watch."""

    def __init__(self, context: ssl.SSLContext, watch: _Watch) -> None:
        super().__init__(context=context)
        self._tls, self._watch = context, watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Return the answer to a request."""
        watch = self._watch

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watch.add(self.sock)

        return self.do_open(Connection, req, context=self._tls)


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone."""

    max_redirections = _MAX_REDIRECTS

    def redirect_request(  # noqa: PLR0913 - of the base class
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to follow. Raises UnfitError for any scheme but https."""
        if urlsplit(newurl).scheme != "https":
            raise UnfitError(f"{req.full_url} redirects to {_one_line(newurl)}, and only https is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(context: ssl.SSLContext, watch: _Watch) -> urllib.request.OpenerDirector:
    """Return what opens https addresses and nothing else: no file, no http, no proxy of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        _HttpsHandler(context, watch),
        _HttpsRedirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _failure(url: str, error: Exception) -> FetchError | UnfitError:
    """Return what a failed attempt means: whether another one may succeed."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        final = error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _MENDS
        sentence = f"{url} was answered with {error.code} {_one_line(error.reason)}"
        return UnfitError(sentence) if final else FetchError(sentence)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted: {reason.verify_message}"
    return FetchError(f"{url} could not be fetched ({_one_line(getattr(reason, 'strerror', None) or reason)})")


def _one_line(said: object) -> str:
    """Return what a server may have written, for a sentence in the log."""
    return printable(" ".join(str(said).split()))[:_MOST_SAID]
