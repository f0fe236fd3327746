"""Reads the display matrix of an MP4 or MOV file, of which OpenCV tells only the angle: it may mirror as well.

OpenCV gives 180 degrees for a picture that is mirrored left to right, so that people would stand on their heads.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_CONTAINERS: Final = (b"moov", b"trak", b"mdia")
_MAX_BOXES: Final = 10_000  # a damaged file must not be walked for ever; whole ones have some hundred
_ONE: Final = 0x10000  # 16.16 fixed point (ISO 14496-12, 8.3.2)
_TURNS: Final = {
    (1, 0, 0, 1): (False, 0),
    (0, 1, -1, 0): (False, 90),
    (-1, 0, 0, -1): (False, 180),
    (0, -1, 1, 0): (False, 270),
    (-1, 0, 0, 1): (True, 0),
    (0, -1, -1, 0): (True, 90),
    (1, 0, 0, -1): (True, 180),
    (0, 1, 1, 0): (True, 270),
}
"""Mirrored left to right, then turned clockwise by degrees, for the part a, b, c, d of each matrix: a stored point
(x, y) is shown at (a x + c y, b x + d y), with y downwards."""


def display_matrix(path: Path) -> tuple[bool, int] | None:
    """Return whether the first video track is to be mirrored, and by how many degrees it is to be turned clockwise.

    None where the file is no MP4 or MOV, cannot be read, or has a matrix of another kind.
    """
    try:
        with path.open("rb") as file:
            if file.read(8)[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
                return None
            return _first_video(file, path.stat().st_size)
    except (OSError, struct.error):
        return None


def _first_video(file: IO[bytes], size: int) -> tuple[bool, int] | None:
    matrix: tuple[int, ...] = ()
    for name, begin, end in _boxes(file, 0, size):
        if name == b"tkhd":
            file.seek(begin)
            head = file.read(min(end - begin, 104))
            at = 52 if head[:1] == b"\x01" else 40  # version 1 has times of 64 bits
            matrix = struct.unpack_from(">9i", head, at)
        elif name == b"hdlr":
            file.seek(begin + 8)
            if file.read(4) == b"vide" and matrix:
                a, b, _, c, d = matrix[:5]
                return _TURNS.get((a // _ONE, b // _ONE, c // _ONE, d // _ONE)) if _is_whole(a, b, c, d) else None
    return None


def _is_whole(*values: int) -> bool:
    return all(value % _ONE == 0 for value in values)


def _boxes(file: IO[bytes], begin: int, end: int, budget: list[int] | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Walk through the boxes of a range, and through those in containers; gives name, begin and end of the content."""
    budget = budget if budget is not None else [_MAX_BOXES]
    while begin + 8 <= end and budget[0] > 0:
        budget[0] -= 1
        file.seek(begin)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1:  # a length of 64 bits follows
            length, head = struct.unpack(">Q", file.read(8))[0], 16
        stop = end if length == 0 else begin + length
        if stop < begin + head or stop > end:
            return
        yield name, begin + head, stop
        if name in _CONTAINERS:
            yield from _boxes(file, begin + head, stop, budget)
        begin = stop
