"""Fetches a file over https whose size and sum are known, into a folder. Everything else is refused."""

import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from edge import __version__
from edge.desired.errors import FetchError, UnfitError
from edge.errors import ConfigError
from edge.system.files import sync_folder

_READ_SECONDS: Final = 20.0
"""Longest silence of a server, and of its handshake."""
_SLOWEST_BYTES_PER_SECOND: Final = 5_000
"""Rate below which a download is given up after a minute: a model of 3 MB takes eleven minutes then."""
_GRACE_SECONDS: Final = 60.0
_CHUNK_BYTES: Final = 65_536
_MAX_REDIRECTS: Final = 5
_SPARE_BYTES: Final = 5_000_000
"""Room on the disk that a download leaves to the outbox."""
_MENDS: Final = (408, 425, 429)
"""Statuses of the client's side that mean "later", beside all of the server's."""


class Fetcher:
    """Fetches files into a folder. `ca_file`: authorities to trust in place of the system's; empty: those.

    `interrupted`: whether to give up, asked for between two pieces. `read_seconds`: longest silence.
    """

    def __init__(
        self,
        folder: Path,
        ca_file: str = "",
        interrupted: Callable[[], bool] = lambda: False,
        read_seconds: float = _READ_SECONDS,
    ) -> None:
        self._folder, self._ca_file, self._interrupted = folder, ca_file, interrupted
        self._read_seconds = read_seconds

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
        deadline = time.monotonic() + _GRACE_SECONDS + size / _SLOWEST_BYTES_PER_SECOND
        digest, received = hashlib.sha256(), 0
        request = urllib.request.Request(url, headers={"User-Agent": f"emotion-edge/{__version__}"})  # noqa: S310 - checked
        with _opener(context).open(request, timeout=self._read_seconds) as response:
            while received <= size and (chunk := response.read1(min(_CHUNK_BYTES, size + 1 - received))):
                if self._interrupted():
                    raise FetchError(f"{url} was given up: the sensor stops")
                if time.monotonic() > deadline:
                    raise FetchError(f"{url} comes too slowly: {received} of {size} bytes so far")
                received += len(chunk)
                digest.update(chunk)
                file.write(chunk)
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
            raise UnfitError(f"{req.full_url} redirects to {newurl}, and only https is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return what opens https addresses and nothing else: no file, no http, no proxy of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPSHandler(context=context),
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
        sentence = f"{url} was answered with {error.code} {error.reason}"
        return UnfitError(sentence) if final else FetchError(sentence)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted: {reason.verify_message}"
    return FetchError(f"{url} could not be fetched ({getattr(reason, 'strerror', None) or reason})")
