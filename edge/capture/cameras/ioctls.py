"""Asks a V4L2 device what it is and what it offers, by ioctl. The only file that speaks to the kernel's V4L2.

Numbers, names and layouts are those of the kernel's header (include/uapi/linux/videodev2.h). Nothing here starts a
stream or changes a setting, so that a camera may be asked while another program uses it.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

_U32: Final = ctypes.c_uint32
_Struct = TypeVar("_Struct", bound=ctypes.Structure)

VIDEO_CAPTURE: Final = 0x0000_0001
VIDEO_OUTPUT: Final = 0x0000_0002
VIDEO_CAPTURE_MPLANE: Final = 0x0000_1000
VIDEO_OUTPUT_MPLANE: Final = 0x0000_2000
VIDEO_M2M_MPLANE: Final = 0x0000_4000
VIDEO_M2M: Final = 0x0000_8000
META_CAPTURE: Final = 0x0080_0000
META_OUTPUT: Final = 0x0800_0000
IO_MC: Final = 0x2000_0000
"""V4L2_CAP_IO_MC: the device gives pictures only once a program has set up the media controller, as libcamera does."""
DEVICE_CAPS: Final = 0x8000_0000
"""V4L2_CAP_DEVICE_CAPS: `device_caps` is filled, and says what this node does, not what all of its driver do."""

_BUF_CAPTURE: Final = 1
_BUF_CAPTURE_MPLANE: Final = 9
_MEMORY_MMAP: Final = 1
_DISCRETE: Final = 1
"""V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE."""
_MOST_ITEMS: Final = 256
"""Items of one enumeration that are read at most: the kernel ends it with EINVAL, and a broken driver might not."""


class _Capability(ctypes.Structure):
    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _U32),
        ("capabilities", _U32),
        ("device_caps", _U32),
        ("reserved", _U32 * 3),
    )


class _FormatDescription(ctypes.Structure):
    _fields_ = (
        ("index", _U32),
        ("type", _U32),
        ("flags", _U32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", _U32),
        ("mbus_code", _U32),
        ("reserved", _U32 * 3),
    )


class _FrameSize(ctypes.Structure):
    # The union: width and height where discrete; else minimum, maximum and step of width, then of height.
    _fields_ = (
        ("index", _U32),
        ("pixel_format", _U32),
        ("type", _U32),
        ("values", _U32 * 6),
        ("reserved", _U32 * 2),
    )


class _FrameInterval(ctypes.Structure):
    # The union: numerator and denominator where discrete; else those of minimum, maximum and step.
    _fields_ = (
        ("index", _U32),
        ("pixel_format", _U32),
        ("width", _U32),
        ("height", _U32),
        ("type", _U32),
        ("values", _U32 * 6),
        ("reserved", _U32 * 2),
    )


class _RequestBuffers(ctypes.Structure):
    _fields_ = (
        ("count", _U32),
        ("type", _U32),
        ("memory", _U32),
        ("capabilities", _U32),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 3),
    )


def _request(direction: int, number: int, struct: type[ctypes.Structure]) -> int:
    """Return the number of an ioctl as _IOC makes it; `direction`: 2 reads, 3 writes and reads."""
    return direction << 30 | ctypes.sizeof(struct) << 16 | ord("V") << 8 | number


QUERYCAP: Final = _request(2, 0, _Capability)
ENUM_FMT: Final = _request(3, 2, _FormatDescription)
REQBUFS: Final = _request(3, 8, _RequestBuffers)
ENUM_FRAMESIZES: Final = _request(3, 74, _FrameSize)
ENUM_FRAMEINTERVALS: Final = _request(3, 75, _FrameInterval)

Ioctl = Callable[[int, int, ctypes.Structure], object]
"""`fcntl.ioctl`: file descriptor, request, struct that is read and written. Raises OSError."""

OpenFile = Callable[[Path, int], int]
"""`os.open`: file and flags to a file descriptor. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself; `caps`: what this node does, a sum of the flags above."""

    driver: str
    card: str
    bus: str
    caps: int


class OpenVideoDevice(AbstractContextManager["OpenVideoDevice"]):
    """A V4L2 device that is open to be asked. `ioctl`, `open_file`: the system calls.

    Raises OSError where it cannot be opened. Reading and writing are asked for, because drivers refuse some questions
    otherwise; O_NONBLOCK, because opening an analogue tuner may wait.
    """

    def __init__(self, device: Path, ioctl: Ioctl = fcntl.ioctl, open_file: OpenFile = os.open) -> None:
        self._ioctl = ioctl
        self._fd = open_file(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        """Return itself; the device is closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        os.close(self._fd)

    def identity(self) -> Identity:
        """Return what the device is (VIDIOC_QUERYCAP). Raises OSError where it is no V4L2 device."""
        found = _Capability()
        self._ioctl(self._fd, QUERYCAP, found)
        caps = found.device_caps if found.capabilities & DEVICE_CAPS else found.capabilities
        return Identity(_text(found.driver), _text(found.card), _text(found.bus_info), caps)

    def formats(self, caps: int) -> tuple[str, ...]:
        """Return the pixel formats that it captures, by their four characters, in its own order (VIDIOC_ENUM_FMT)."""
        buffer_type = _buffer_type(caps)
        return tuple(
            _fourcc(found.pixelformat)
            for found in self._each(ENUM_FMT, lambda index: _FormatDescription(index=index, type=buffer_type))
        )

    def sizes(self, fourcc: str) -> tuple[tuple[tuple[int, int], ...], bool]:
        """Return width and height of its frames in a format, in pixels, and whether they are the ends of a range.

        VIDIOC_ENUM_FRAMESIZES. Of a range that is the smallest size and the largest; any between them will do.
        """
        code, sizes = _code(fourcc), []
        for found in self._each(ENUM_FRAMESIZES, lambda index: _FrameSize(index=index, pixel_format=code)):
            values = list(found.values)
            if found.type != _DISCRETE:
                return ((values[0], values[3]), (values[1], values[4])), True
            sizes.append((values[0], values[1]))
        return tuple(sizes), False

    def rates(self, fourcc: str, width: int, height: int) -> tuple[float, ...]:
        """Return the rates in a format and a size, frames per second (VIDIOC_ENUM_FRAMEINTERVALS).

        Where any rate in a range will do, the lowest and the highest.
        """
        code, rates = _code(fourcc), []

        def make(index: int) -> _FrameInterval:
            return _FrameInterval(index=index, pixel_format=code, width=width, height=height)

        for found in self._each(ENUM_FRAMEINTERVALS, make):
            values = list(found.values)
            if found.type != _DISCRETE:
                return tuple(rate for rate in (_rate(*values[2:4]), _rate(*values[:2])) if rate)
            rates.append(_rate(*values[:2]))
        return tuple(rate for rate in rates if rate)

    def is_busy(self, caps: int) -> bool:
        """Return whether another program streams from the device.

        VIDIOC_REQBUFS with a count of 0 frees what this process has requested, which is nothing; with a stream of
        another it fails with EBUSY.
        """
        try:
            self._ioctl(self._fd, REQBUFS, _RequestBuffers(count=0, type=_buffer_type(caps), memory=_MEMORY_MMAP))
        except OSError as error:
            return error.errno == errno.EBUSY
        return False

    def _each(self, request: int, make: Callable[[int], _Struct]) -> Iterator[_Struct]:
        """Yield the items of an enumeration. EINVAL is its end; ENOTTY: the driver has none of this kind."""
        for index in range(_MOST_ITEMS):
            item = make(index)
            try:
                self._ioctl(self._fd, request, item)
            except OSError as error:
                # ENODATA: a tuner or an input without a signal.
                if error.errno in {errno.EINVAL, errno.ENOTTY, errno.ENODATA}:
                    return
                raise
            yield item


def _buffer_type(caps: int) -> int:
    return _BUF_CAPTURE if caps & VIDEO_CAPTURE else _BUF_CAPTURE_MPLANE


def _text(raw: bytes) -> str:
    """Return a text of the driver in one line: some hold what is no UTF-8, or blanks at the end."""
    text = raw.decode("utf-8", "replace")
    return "".join(one if one.isprintable() else "?" for one in text).strip()


def _fourcc(code: int) -> str:
    # The highest bit marks big endian (v4l2_fourcc_be).
    text = _text((code & 0x7FFF_FFFF).to_bytes(4, "little"))
    return f"{text}-BE" if code >> 31 else text


def _code(fourcc: str) -> int:
    code = int.from_bytes(fourcc.removesuffix("-BE").ljust(4).encode("latin-1", "replace"), "little")
    return code | 0x8000_0000 if fourcc.endswith("-BE") else code


def _rate(numerator: int, denominator: int) -> float:
    """Return frames per second of an interval, a fraction of seconds; 0 for one that means nothing."""
    return denominator / numerator if numerator else 0.0
