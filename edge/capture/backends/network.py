"""Network streams, decoded by OpenCV with FFmpeg."""

import time

import cv2

from edge.capture.backends.ffmpeg import SizeWatch, decode_next, open_stream, stream_geometry, stream_size
from edge.capture.geometry import Geometry, upright
from edge.capture.source import LiveClock, SourceOptions, frame_from_bgr
from edge.capture.web.rtsp import rtsp_refusal
from edge.errors import SourceError, SourceLostError
from edge.logs.native import silence_opencv
from edge.redact import redacted
from edge.types import Frame


class NetworkSource:
    """A stream from `rtsp://` or `http://`; live: its end, a read without a frame, or another size is a loss."""

    live = True

    def __init__(self, uri: str, options: SourceOptions, size_watch: SizeWatch | None = None) -> None:
        self.uri = redacted(uri)
        self._uri_with_credentials = uri
        self._options = options
        self._capture: cv2.VideoCapture | None = None
        self._number = 0
        self._geometry = Geometry()
        self._clock = LiveClock()
        self._size_watch = size_watch

    def open(self) -> None:
        """Connect, within `SourceOptions.read_timeout_seconds`."""
        silence_opencv()
        timeout_ms = int(self._options.read_timeout_seconds * 1000)
        capture = open_stream(self._uri_with_credentials, timeout_ms)
        if not capture.isOpened():
            capture.release()
            message = (
                f"No video stream at {self.uri} within {timeout_ms / 1000:g} s:"
                " host, port, path and credentials must be those of the camera"
            )
            if self._uri_with_credentials.lower().startswith("rtsp"):
                message = rtsp_refusal(self._uri_with_credentials, self._options.read_timeout_seconds) or message
            raise SourceError(message)
        self._geometry = stream_geometry(capture)
        self._size_watch = self._size_watch or SizeWatch(lambda: stream_size(self._uri_with_credentials, timeout_ms))
        self._capture = capture

    def read(self) -> Frame | None:
        """Wait for the next frame; raises `SourceLostError` where the stream gives none."""
        if self._capture is None:
            message = "read() of a network source that is not open"
            raise RuntimeError(message)
        decoded = decode_next(self._capture)
        if decoded is None:
            message = f"The stream {self.uri} ended or gave no frame in time"
            raise SourceLostError(message)
        if (
            self._size_watch is not None
            and (size := self._size_watch.changed(decoded[0], time.monotonic())) is not None
        ):
            height, width = decoded[0].shape[:2]
            raise SourceLostError(
                f"The stream {self.uri} has changed its picture from {width}x{height} to {size[0]}x{size[1]}"
            )
        frame = frame_from_bgr(self._number, self._clock.seconds(), upright(decoded[0], self._geometry), self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None
