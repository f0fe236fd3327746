"""Finds the JPEG pictures in a stream of bytes, whatever stands between them. Does no I/O.

Cameras send boundaries that are not those they announced, lengths that are wrong, or neither. A JPEG says itself where
it ends: segments carry their length, and in the compressed data between them 0xff is followed by 0x00 or by the number
of a restart, unless a marker follows (ITU-T T.81, B.1.1).
"""

import re
from typing import Final

_START: Final = b"\xff\xd8\xff"
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_RESTARTS: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FIRST_SEGMENT: Final = 0xC0  # no segment of a JPEG has a smaller number
_MAY_HOLD_PICTURES: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Segments of applications, which may hold a thumbnail, and comments. In any other a beginning is that of the next
picture: the first was broken off, and its length is no length."""
_MAX_BYTES: Final = 32 * 2**20
"""Largest picture: a JPEG of 40 million pixels in best quality takes about 25 MB."""


class JpegSplitter:
    """Takes a stream in pieces of any size, and gives each complete JPEG once.

    What is no JPEG between two of them is skipped. A picture that is broken off, so that the next one begins inside it,
    is dropped.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at: int | None = None  # where the next marker is looked for; None: no picture has begun
        self._in_scan = False

    def push(self, data: bytes) -> list[bytes]:
        """Add bytes; returns the pictures that they complete."""
        self._buffer += data
        pictures = []
        while (picture := self._next()) is not None:
            pictures.append(picture)
        return pictures

    def _next(self) -> bytes | None:
        while self._at is not None or self._find_start():
            end = self._find_end()
            if end is None:
                if len(self._buffer) > _MAX_BYTES:
                    self._restart(2)
                    continue
                return None
            if end > 0:
                picture = bytes(self._buffer[:end])
                self._restart(end)
                return picture
        return None

    def _find_start(self) -> bool:
        start = self._buffer.find(_START)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - 2)]
            return False
        del self._buffer[:start]
        self._at, self._in_scan = 2, False
        return True

    def _restart(self, end: int) -> None:
        del self._buffer[:end]
        self._at = None

    def _find_end(self) -> int | None:
        """Return the length of the picture in front of the buffer; None: bytes are missing; 0: it was broken off."""
        while True:
            marker = self._next_marker()
            if marker is None:
                return None
            at = self._at or 0
            if marker == _EOI:
                return at + 2
            if marker == _SOI or (marker < _FIRST_SEGMENT and marker not in _RESTARTS):
                self._restart(at if marker == _SOI else 2)
                return 0
            if marker in _RESTARTS:
                self._at = at + 2
                continue
            if at + 4 > len(self._buffer):
                return None
            end = at + 2 + int.from_bytes(self._buffer[at + 2 : at + 4], "big")
            if marker not in _MAY_HOLD_PICTURES and (start := self._buffer.find(_START, at + 2, end + 2)) >= 0:
                self._restart(start)
                return 0
            self._at = end
            self._in_scan = marker == _SOS or self._in_scan

    def _next_marker(self) -> int | None:
        """Go to the next marker and return it; None: it has not arrived; 0: there is something else in its place."""
        buffer, at = self._buffer, self._at or 0
        if self._in_scan:
            found = _MARKER.search(buffer, at)
            self._at = max(at, len(buffer) - 1) if found is None else found.start()
            return None if found is None else buffer[self._at + 1]
        while buffer[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        self._at = at
        if at + 2 > len(buffer):
            return None
        return buffer[at + 1] if buffer[at] == 0xFF else 0  # noqa: PLR2004 - every marker begins with it
