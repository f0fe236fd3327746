"""Cameras over HTTP: Motion JPEG in one endless answer, or one picture per request, polled at a rate.

What a camera gives is recognised by its answer. Everything else (HLS, a video file, MPEG-TS) goes to FFmpeg.
"""

import functools
import time
import zlib
from collections import deque
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.backends.network import NetworkSource
from edge.capture.geometry import picture_geometry, upright
from edge.capture.pictures.decode import decode_file_content
from edge.capture.pictures.header import NotAnImage
from edge.capture.source import LiveClock, SourceOptions, frame_from_bgr
from edge.capture.web.client import HttpClient, RefusedError
from edge.capture.web.jpeg_stream import JpegSplitter
from edge.errors import SourceError, SourceLostError
from edge.logs.native import silence_opencv
from edge.redact import redacted
from edge.types import Frame

DEFAULT_SNAPSHOT_FPS: Final = 2.0
"""Requests a second where `fps` is 0: many cameras take a third of a second for one picture, and most need a new
connection for each."""
_MAX_BROKEN_PICTURES: Final = 30
"""Pictures in a row that cannot be decoded, after which the camera counts as lost; as for USB cameras."""
_PIECE_BYTES: Final = 65_536
_MAX_PICTURE_BYTES: Final = 32 * 2**20
_WEB_PAGES: Final = frozenset({"text/html", "application/xhtml+xml", "application/json", "text/xml", "application/xml"})
_JPEG_START: Final = b"\xff\xd8\xff"
_GZIP_START: Final = b"\x1f\x8b\x08"


class HttpSource:
    """A camera at `http://` or `https://`; live.

    An answer of several parts is a stream: its end, or a wait without a picture, is a loss. An answer that is one
    picture is asked for again, `fps` times a second (2 where that is 0), or as quickly as the camera answers. A single
    request that fails is tried again until `SourceOptions.read_timeout_seconds` are over.
    """

    live = True

    def __init__(
        self,
        uri: str,
        options: SourceOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.uri = redacted(uri)
        self._uri_with_credentials = uri
        self._options = options
        self._clock, self._sleep = clock, sleep
        self._client: HttpClient | None = None
        self._answer: _PictureAnswer | None = None
        self._video: NetworkSource | None = None
        self._frame_clock = LiveClock()
        self._interval_seconds = 1 / (options.config.fps or DEFAULT_SNAPSHOT_FPS)
        self._asked_at = 0.0
        self._number = 0

    def open(self) -> None:
        """Ask the camera, and find out what it gives. Raises `SourceError` where it refuses, at once."""
        silence_opencv()
        self._client = HttpClient(self._uri_with_credentials, self._options.read_timeout_seconds)
        try:
            self._ask(self._client)
        except BaseException:
            self.close()
            raise
        if self._answer is None:
            self._client.close()
            self._video = NetworkSource(self._uri_with_credentials, self._options)
            self._video.open()

    def read(self) -> Frame | None:
        """Wait for the next picture; raises `SourceLostError` where the camera gives none."""
        if self._client is None:
            message = "read() of a network source that is not open"
            raise RuntimeError(message)
        if self._video is not None:
            return self._video.read()
        for _ in range(_MAX_BROKEN_PICTURES):
            data = self._next_picture(self._client)
            image = self._decode(data, colour=self._options.colour)
            if image is not None:
                frame = frame_from_bgr(
                    self._number,
                    self._frame_clock.seconds(),
                    image,
                    self._options,
                    functools.partial(self._decode, data, colour=True),
                )
                self._number += 1
                return frame
        raise SourceLostError(f"The camera at {self.uri} gives only broken pictures")

    def close(self) -> None:
        """Disconnect."""
        if self._video is not None:
            self._video.close()
        if self._client is not None:
            self._client.close()
        self._client = self._video = self._answer = None

    def _ask(self, client: HttpClient) -> None:
        self._asked_at = self._clock()
        answer = client.get()
        kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
        beginning = b"" if kind.startswith(("multipart/", "image/")) else self._beginning(answer)
        if beginning.startswith(_JPEG_START):
            kind = "image/jpeg"
        if kind in _WEB_PAGES:
            client.close()
            raise RefusedError(
                f"The camera at {self.uri} answers with a page ({kind}), not with pictures: the path must be that of"
                " its stream or snapshot, and the address must hold user name and password where the page is a login"
            )
        if kind.startswith(("multipart/", "image/")) or beginning.startswith(b"--"):
            self._answer = _PictureAnswer(answer, endless=not kind.startswith("image/"))
        else:
            self._answer = None

    def _beginning(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.peek(len(_JPEG_START))
        except (OSError, HTTPException) as error:
            raise SourceError(f"No video stream at {self.uri}: its answer ends after the header") from error

    def _next_picture(self, client: HttpClient) -> bytes:
        """Return the next encoded picture: of this answer, else of the next one."""
        failed_at: float | None = None
        while True:
            reason = f"The stream {self.uri} ended or gave no frame in time"
            answer = self._answer
            if answer is not None:
                picture = self._picture_of(answer, client)
                if picture is not None:
                    return picture
                if answer.endless:
                    raise SourceLostError(reason)
                if answer.pictures == 0:
                    reason = f"The camera at {self.uri} answers without a complete picture"
                    failed_at = failed_at if failed_at is not None else self._clock()
                answer.discard(client)
                self._answer = None
            if failed_at is not None and self._clock() - failed_at >= self._options.read_timeout_seconds:
                raise SourceLostError(reason)
            self._sleep(max(0.0, self._asked_at + self._interval_seconds - self._clock()))
            try:
                self._ask(client)
            except RefusedError as error:
                raise SourceLostError(str(error)) from error
            except SourceError as error:
                failed_at = failed_at if failed_at is not None else self._asked_at
                if self._clock() - failed_at >= self._options.read_timeout_seconds:
                    raise SourceLostError(str(error)) from error

    def _picture_of(self, answer: "_PictureAnswer", client: HttpClient) -> bytes | None:
        try:
            picture = answer.next()
        except (OSError, HTTPException):
            return None
        if picture is not None and not answer.endless and answer.length_unknown:
            # Either it ends here, though the connection stays open, or more pictures follow at the camera's own pace.
            client.limit_wait(self._interval_seconds)
        return picture

    def _decode(self, data: bytes, *, colour: bool) -> NDArray[np.uint8] | None:
        if data.startswith(_GZIP_START):  # nobody asked for it, but some servers compress whatever they send
            data = _decompressed(data)
        if not data.startswith(_JPEG_START):
            try:
                return decode_file_content(data, colour=colour).image
            except NotAnImage as error:
                raise SourceLostError(
                    f"The camera at {self.uri} gives a picture that cannot be read: {error}"
                ) from error
        flags = (cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE) | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            image = None
        return None if image is None else upright(np.asarray(image, np.uint8), picture_geometry(data))


def _decompressed(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(data, _MAX_PICTURE_BYTES)
    except zlib.error:
        return data


class _PictureAnswer:
    """The pictures in one answer. `endless`: it is a stream. `pictures`: number found so far."""

    def __init__(self, answer: HTTPResponse, *, endless: bool) -> None:
        self._answer = answer
        self._splitter = JpegSplitter()
        self._found: deque[bytes] = deque()
        self._other = bytearray() if not endless else None
        self.endless = endless
        self.length_unknown = answer.length is None and not answer.chunked
        self.pictures = 0

    def next(self) -> bytes | None:
        """Return the next picture; None at the end of the answer."""
        while not self._found:
            data = self._answer.read1(_PIECE_BYTES)
            if not data:
                return self._other_picture()
            self._found.extend(self._splitter.push(data))
            if self._other is not None:
                self._other += data
                if self._found or len(self._other) > _MAX_PICTURE_BYTES:
                    self._other = None
        self.pictures += 1
        return self._found.popleft()

    def discard(self, client: HttpClient) -> None:
        """Give the connection up, unless the answer was read to its end and the camera keeps it."""
        if self._answer.will_close or not (self._answer.isclosed() or self._answer.length == 0):
            client.close()
        else:
            self._answer.read()  # nothing is left, but only then http.client takes the connection for free

    def _other_picture(self) -> bytes | None:
        """Return the whole answer where it is a picture of another format than JPEG."""
        other, self._other = self._other, None
        if not other or other.startswith(_JPEG_START):
            return None
        self.pictures += 1
        return bytes(other)
