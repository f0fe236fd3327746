"""Searches bytes for pictures: as files, as raw rows, and encoded as text."""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import log2

import numpy as np

MAGIC = {
    "JPEG": rb"\xff\xd8\xff[\xc0-\xfe]",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF.{4}WEBP",
    "BMP": rb"BM.{4}\0{4}.{4}[\x0c\x28\x6c\x7c]\0{3}",
    "TIFF": rb"II\x2a\0.{3}\0|MM\0\x2a\0",
    "PNM": rb"P[1-6]\s+\d+\s+\d+\s+\d*",
    "AVIF or HEIF": rb"ftyp(?:avif|heic|mif1)",
    "numpy": rb"\x93NUMPY",
    "gzip": rb"\x1f\x8b\x08",
}
_MAGIC = {name: re.compile(pattern, re.DOTALL) for name, pattern in MAGIC.items()}

NEEDLE_BYTES = 16
"""Pixels of the pieces of rows that are searched for. Two pictures rarely share one, except in plain areas."""
_STEP = 48
_MIN_VALUES = 6  # different values in a piece: one of a plain area would be found in zeros as well

ENTROPY_BYTES = 1024
MAX_ENTROPY_BITS = 6.3
"""Highest bits per byte of the sensor's output: JSON has 4.5 to 5.5, base64 6, raw or compressed pixels 6.5 to 8."""
MAX_RUN_LENGTH = 256
"""Characters of base64 or hexadecimal without a break, at most. A SHA-256 has 64."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){32,}")
_NUMBERS = re.compile(rb"(?:\d{1,3}[\s,;]{1,3}){31,}\d{1,3}")
_BREAKS = re.compile(rb"(?:\\[rn]|\s)+")


def needles(pictures: Iterable[np.ndarray]) -> frozenset[bytes]:
    """Return pieces of rows by which pictures, uint8 (height, width[, 3]), are recognised."""
    found: set[bytes] = set()
    for picture in pictures:
        rows = np.ascontiguousarray(picture.reshape(picture.shape[0], -1))
        pieces = np.lib.stride_tricks.sliding_window_view(rows, NEEDLE_BYTES, axis=1)[:, ::_STEP].reshape(
            -1, NEEDLE_BYTES
        )
        values = 1 + np.count_nonzero(np.diff(np.sort(pieces, axis=1), axis=1), axis=1)
        found |= {piece.tobytes() for piece in pieces[values >= _MIN_VALUES]}
    assert found, "the pictures have no piece to recognise them by"
    return frozenset(found)


def entropy_bits(data: bytes) -> float:
    """Return the entropy in bits per byte."""
    total = len(data)
    return -sum(count / total * log2(count / total) for count in Counter(data).values())


def hunt(data: bytes, known: frozenset[bytes]) -> set[str]:
    """Return the names of the signs of a picture in `data`; `known`: the result of `needles`."""
    findings = {name for decoded in _decodings(data) for name in _signs(decoded, known)}
    findings |= {
        "a long run of base64 or hexadecimal"
        for pattern in (_BASE64, _HEX)
        for run in pattern.findall(data)
        if len(run) > MAX_RUN_LENGTH
    }
    for start in range(0, len(data), ENTROPY_BYTES // 2):
        window = data[start : start + ENTROPY_BYTES]
        if len(window) == ENTROPY_BYTES and entropy_bits(window) > MAX_ENTROPY_BITS:
            findings.add("a dense block")
    return findings


def _signs(data: bytes, known: frozenset[bytes]) -> Iterator[str]:
    for name, pattern in _MAGIC.items():
        if pattern.search(data):
            yield name
    if any(data[start : start + NEEDLE_BYTES] in known for start in range(len(data) - NEEDLE_BYTES + 1)):
        yield "rows of a frame"


def _decodings(data: bytes) -> Iterator[bytes]:
    """Yield `data`, and what its text decodes to."""
    yield data
    joined = _BREAKS.sub(b"", data)
    for text in {data, joined}:
        for run in _BASE64.findall(text):
            plain = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
            for start in range(4):
                part = plain[start:]
                yield base64.b64decode(part[: len(part) // 4 * 4])
        for run in _HEX.findall(text):
            for start in range(2):
                part = run[start:]
                yield binascii.unhexlify(part[: len(part) // 2 * 2])
    for run in _NUMBERS.findall(data):
        values = [int(number) for number in re.findall(rb"\d+", run)]
        if max(values) < 256:
            yield bytes(values)
