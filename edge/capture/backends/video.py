"""Video files, decoded by OpenCV with FFmpeg."""

import logging
import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.backends.display_matrix import display_matrix
from edge.capture.backends.ffmpeg import decode_next, stream_geometry
from edge.capture.backends.packets import PacketReader, PacketStream
from edge.capture.backends.sound import COVER_FPS, holds_one_picture, is_sound
from edge.capture.geometry import Geometry, upright
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.capture.timeline import Timeline
from edge.errors import SourceError
from edge.logs.native import silence_opencv
from edge.logs.outage import format_duration
from edge.system.files import expanded
from edge.types import Frame

log = logging.getLogger(__name__)

_FALLBACK_FPS = 25.0
"""Rate of a file that states none, or one above `_MAX_CREDIBLE_FPS` (a raw stream): FFmpeg's own assumption."""
_MAX_CREDIBLE_FPS = 1000.0
_SNIFF_BYTES = 4096
_LOOK_AHEAD = 64
"""Packets that are read ahead of the decoder: more than any codec delays a frame for the order of its pictures (16), or
for the threads that decode it."""
_SOUND = "{} is a sound file, not a video; a cover in it does not count"
_TEXT_VIDEO_MAGIC = b"YUV4MPEG2"  # the one video format that begins with text
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")


def looks_like_text(beginning: bytes) -> bool:
    """Return whether the first bytes of a file are text: no control character but white space and escape.

    FFmpeg would play a text file: it has a demuxer for terminal art, and others for play lists that name further
    files. Every video container has a control character (a length, a zero) in its first bytes.
    """
    return not beginning.startswith(_TEXT_VIDEO_MAGIC) and beginning.translate(None, _CONTROL) == beginning


class VideoFileSource:
    """Every frame of a video file, upright and with square pixels, at the file's own time stamps; finite.

    Width, height and fps of the options do not apply. A file that is cut off ends after its last decodable frame. The
    size of the frames changes where that of the file does.
    """

    live = False

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = uri
        self._path = expanded(uri)
        self._options = options
        self._decoder: FileDecoder | None = None
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
        decoder = FileDecoder(self._path)
        first = decoder.next()
        if first is None:
            opened = decoder.opened
            decoder.close()
            what = "holds no video frame that can be decoded" if opened else "is not a video, or is incomplete"
            message = f"{self._path} {what}: it must be a file that FFmpeg can play"
            raise SourceError(message)
        fps = decoder.fps
        if fps >= COVER_FPS and holds_one_picture(self._path):
            decoder.close()
            raise SourceError(_SOUND.format(self._path))
        if math.isfinite(fps) and 0 < fps <= _MAX_CREDIBLE_FPS:
            self._timeline = Timeline(1 / fps)
        self._decoder, self._first = decoder, first

    def read(self) -> Frame | None:
        """Decode the next frame; None at the end."""
        if self._decoder is None:
            message = "read() of a video source that is not open"
            raise RuntimeError(message)
        decoded, self._first = self._first or self._decoder.next(), None
        if decoded is None:
            return None
        image, stamp_seconds = decoded
        jumps = self._timeline.jumps
        seconds = self._timeline.seconds(stamp_seconds)
        if jumps == 0 and self._timeline.jumps:
            log.warning(
                "the time stamps of %s jump %s by %s at %.1f s: time goes on by one frame there, and at further jumps,"
                " which are not logged",
                self._path,
                "back" if self._timeline.last_jump_seconds < 0 else "ahead",
                format_duration(abs(self._timeline.last_jump_seconds)),
                seconds,
            )
        frame = frame_from_bgr(self._number, seconds, image, self._options)
        self._number += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        if self._decoder is not None:
            self._decoder.close()
        self._decoder = self._first = None


class FileDecoder:
    """Decodes a video file, with one decoder for each stretch of frames of one size.

    The first decoder reads the file itself, the next ones what `PacketReader` finds behind a change.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # An absolute path, because FFmpeg takes "clip:1.mp4" for a protocol.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        self.opened = self._capture.isOpened()
        self.fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._geometry = stream_geometry(self._capture)
        if (matrix := display_matrix(path)) is not None:
            self._geometry = Geometry(*matrix, self._geometry.pixel_aspect)
        self._packets = PacketReader(path)
        self._stream: PacketStream | None = None
        self._stretch = FirstStretch(self._packets)

    def next(self) -> tuple[NDArray[np.uint8], float] | None:
        """Return the next image, upright, uint8 (height, width, 3), and its time stamp in seconds; None at the end."""
        while True:
            decoded = self._decode()
            if decoded is not None:
                return upright(decoded[0], self._geometry), decoded[1]
            if not self._packets.changed:
                return None
            self._start_next_stretch()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
        self._packets.close()

    def _decode(self) -> tuple[NDArray[np.uint8], float] | None:
        if self._stream is None:
            if not self._stretch.may_decode():
                return None
            decoded = decode_next(self._capture)
            return decoded if decoded is not None and self._stretch.holds(decoded[1]) else None
        decoded = decode_next(self._capture)
        return None if decoded is None else (decoded[0], self._stream.stamp_seconds(decoded[1]))

    def _start_next_stretch(self) -> None:
        self._packets.accept()
        self._capture.release()
        self._stream = PacketStream(self._packets)
        try:
            self._capture = cv2.VideoCapture(self._stream, cv2.CAP_FFMPEG, [])  # type: ignore[call-overload]
        except (cv2.error, TypeError):
            opened = False  # OpenCV before 4.11, on 32-bit Arm, takes no stream
        else:
            opened = self._capture.isOpened()
        if not opened:
            message = (
                f"The video {self._path} changes its picture size to one that OpenCV {cv2.__version__} cannot decode:"
                " it must have one size, as after ffmpeg -i FILE -vf scale=640:480 NEW"
            )
            raise SourceError(message)
        turned = self._geometry
        pixels = stream_geometry(self._capture).pixel_aspect
        self._geometry = Geometry(turned.mirrored, turned.clockwise_degrees, pixels)


class FirstStretch:
    """Decides how far the decoder that reads the file itself may go: up to the first packet of another size.

    One frame comes of one packet. Where packets in the beginning cannot be decoded, fewer frames come than packets:
    then the time stamp of a frame shows that its packet stands behind the change.
    """

    def __init__(self, packets: PacketReader) -> None:
        self._packets = packets
        self._frames = 0
        self._pending: Counter[int] = Counter()
        self._stamps_match = True

    def may_decode(self) -> bool:
        """Look ahead, and return whether the next frame can be of the first size."""
        while self._packets.count < self._frames + _LOOK_AHEAD and (taken := self._packets.advance()) is not None:
            if math.isnan(taken[1]):
                self._stamps_match = False
            else:
                self._pending[round(taken[1] * 1e6)] += 1
        return not self._packets.changed or self._frames < self._packets.count

    def holds(self, stamp_seconds: float) -> bool:
        """Return whether the frame that was decoded comes of a packet in front of the change."""
        self._frames += 1
        stamp = round(stamp_seconds * 1e6) if math.isfinite(stamp_seconds) else None
        if self._stamps_match and stamp is not None and self._pending[stamp] > 0:
            self._pending[stamp] -= 1
            return True
        behind = self._packets.changed and self._stamps_match
        self._stamps_match = False
        return not behind
