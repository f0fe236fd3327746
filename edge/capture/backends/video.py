"""Video files and network streams, decoded by OpenCV with FFmpeg."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.backends.sound import COVER_FPS, holds_one_picture, is_sound
from edge.capture.source import LiveClock, SourceOptions, frame_from_bgr
from edge.errors import SourceError, SourceLostError
from edge.logs.native import silence_opencv
from edge.redact import redacted
from edge.types import Frame

_FALLBACK_FPS = 25.0
"""Rate of a file that states none, or one above `_MAX_CREDIBLE_FPS` (a raw stream): FFmpeg's own assumption."""
_MAX_CREDIBLE_FPS = 1000.0
_SNIFF_BYTES = 4096
_SOUND = "{} is a sound file, not a video; a cover in it does not count"
_TEXT_VIDEO_MAGIC = b"YUV4MPEG2"  # the one video format that begins with text
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")


def looks_like_text(beginning: bytes) -> bool:
    """Return whether the first bytes of a file are text: no control character but white space and escape.

    FFmpeg would play a text file: it has a demuxer for terminal art, and others for play lists that name further
    files. Every video container has a control character (a length, a zero) in its first bytes.
    """
    return not beginning.startswith(_TEXT_VIDEO_MAGIC) and beginning.translate(None, _CONTROL) == beginning


class Timeline:
    """Converts a file's time stamps to seconds since the first frame, which always increase.

    A stamp that is missing, not finite or not later than the one before counts as `step_seconds` later.
    """

    def __init__(self, step_seconds: float) -> None:
        self._step_seconds = step_seconds
        self._first_stamp: float | None = None
        self._last_seconds = 0.0

    def seconds(self, stamp_seconds: float) -> float:
        """Return the time of the next frame; 0.0 for the first one."""
        if self._first_stamp is None:
            self._first_stamp = stamp_seconds if math.isfinite(stamp_seconds) else 0.0
            return 0.0
        seconds = stamp_seconds - self._first_stamp
        if not (math.isfinite(seconds) and seconds > self._last_seconds):
            seconds = self._last_seconds + self._step_seconds
        self._last_seconds = seconds
        return seconds


class VideoFileSource:
    """Every frame of a video file, at the file's own time stamps; finite.

    Width, height and fps of the options do not apply. A file that is cut off ends after its last decodable frame.
    """

    live = False

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = uri
        self._path = Path(uri).expanduser()
        self._options = options
        self._capture: cv2.VideoCapture | None = None
        self._first: tuple[NDArray[np.uint8], float] | None = None
        self._number = 0
        self._timeline = Timeline(1 / _FALLBACK_FPS)

    def open(self) -> None:
        """Check the file and decode its first frame."""
        silence_opencv()
        try:
            with self._path.open("rb") as file:
                beginning = file.read(_SNIFF_BYTES)
        except OSError as error:
            message = f"Cannot read the video {self._path}: {error.strerror}"
            raise SourceError(message) from error
        if not beginning:
            message = f"The video {self._path} is empty (0 bytes)"
            raise SourceError(message)
        if looks_like_text(beginning):
            message = f"{self._path} is a text file, not a video"
            raise SourceError(message)
        if is_sound(beginning):
            raise SourceError(_SOUND.format(self._path))
        # An absolute path, because FFmpeg takes "clip:1.mp4" for a protocol.
        capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        first = _decode_next(capture)
        if first is None:
            opened = capture.isOpened()
            capture.release()
            what = "holds no video frame that can be decoded" if opened else "is not a video, or is incomplete"
            message = f"{self._path} {what}: it must be a file that FFmpeg can play"
            raise SourceError(message)
        fps = capture.get(cv2.CAP_PROP_FPS)
        if fps >= COVER_FPS and holds_one_picture(self._path):
            capture.release()
            raise SourceError(_SOUND.format(self._path))
        if math.isfinite(fps) and 0 < fps <= _MAX_CREDIBLE_FPS:
            self._timeline = Timeline(1 / fps)
        self._capture, self._first = capture, first

    def read(self) -> Frame | None:
        """Decode the next frame; None at the end."""
        if self._capture is None:
            message = "read() of a video source that is not open"
            raise RuntimeError(message)
        decoded, self._first = self._first or _decode_next(self._capture), None
        if decoded is None:
            return None
        image, stamp_seconds = decoded
        frame = frame_from_bgr(self._number, self._timeline.seconds(stamp_seconds), image, self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = self._first = None


class NetworkSource:
    """A stream from `rtsp://` or `http://`; live: its end, or a read without a frame in time, is a loss."""

    live = True

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = redacted(uri)
        self._uri_with_credentials = uri
        self._options = options
        self._capture: cv2.VideoCapture | None = None
        self._number = 0
        self._clock = LiveClock()

    def open(self) -> None:
        """Connect, within `SourceOptions.read_timeout_seconds`."""
        silence_opencv()
        timeout_ms = int(self._options.read_timeout_seconds * 1000)
        capture = cv2.VideoCapture(
            self._uri_with_credentials,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms],
        )
        if not capture.isOpened():
            capture.release()
            message = (
                f"No video stream at {self.uri} within {timeout_ms / 1000:g} s:"
                " host, port, path and credentials must be those of the camera"
            )
            raise SourceError(message)
        self._capture = capture

    def read(self) -> Frame | None:
        """Wait for the next frame; raises `SourceLostError` where the stream gives none."""
        if self._capture is None:
            message = "read() of a network source that is not open"
            raise RuntimeError(message)
        decoded = _decode_next(self._capture)
        if decoded is None:
            message = f"The stream {self.uri} ended or gave no frame in time"
            raise SourceLostError(message)
        frame = frame_from_bgr(self._number, self._clock.seconds(), decoded[0], self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def _decode_next(capture: cv2.VideoCapture) -> tuple[NDArray[np.uint8], float] | None:
    """Return the next image, as OpenCV decodes it, and its time stamp in seconds; None at the end."""
    decoded, image = capture.read()
    if not decoded or image is None:
        return None
    return np.asarray(image, np.uint8), capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
