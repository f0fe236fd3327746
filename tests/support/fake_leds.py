"""LEDs of a kernel that is not there: a file system of FUSE whose files obey as those in /sys/class/leds do.

Plain files would not do: the kernel refuses what is no number, cuts a number to `max_brightness`, removes the trigger
when 0 is written, puts the active trigger in brackets, and answers ENODEV where the LED has gone. What is asked of it
is what led-class.c and led-triggers.c of Linux do. The protocol is that of include/uapi/linux/fuse.h, version 7.31.

Locks (flock) on the files are the kernel's own.
"""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading
import time
from pathlib import Path

import pytest

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS, _RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
_FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _BATCH_FORGET = 25, 26, 27, 28, 29, 42
_IN_HEADER = struct.Struct("<IIQQIIII")
_OUT_HEADER = struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_DIRECT_IO = 1  # every read reaches the file system
_WRITE_HEADER_BYTES = 40
_ROOT = 1
_FILES = ("brightness", "max_brightness", "trigger")
_TRIGGERS = ("none", "timer", "heartbeat", "mmc0")
_MS_NOSUID_NODEV = 2 | 4
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class FakeLed:
    """One LED. `brightness` is what shines; `history` every brightness that it had, with the time (monotonic)."""

    def __init__(self, name: str, *, most: int = 1, trigger: str = "none") -> None:
        self.name = name
        self.most = most
        self.trigger = trigger
        self.brightness = 0
        self.writable = True
        self.broken = False  # takes every number and stays dark
        self.history: list[tuple[float, int]] = []

    def read(self, file: str) -> bytes:
        """Return what reading a file gives."""
        if file == "max_brightness":
            return b"%d\n" % self.most
        if file == "brightness":
            return b"%d\n" % self.brightness
        return (" ".join(f"[{name}]" if name == self.trigger else name for name in _TRIGGERS) + "\n").encode()

    def write(self, file: str, data: bytes) -> None:
        """Do what writing to a file does. Raises OSError."""
        text = data.decode("ascii", errors="replace")
        if file == "trigger":
            if text.strip() not in _TRIGGERS:
                raise OSError(errno.EINVAL, "no such trigger")
            self.trigger = text.strip()
            self.shine(0)
            return
        digits = text.removesuffix("\n").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            raise OSError(errno.EINVAL, "no number")
        value = int(digits)
        if value == 0:
            self.trigger = "none"
        elif self.trigger != "none":
            return  # the brightness to which the trigger switches, not that which shines now
        self.shine(0 if self.broken else min(value, self.most))

    def shine(self, brightness: int) -> None:
        """Change what shines, as a trigger or another program would."""
        self.brightness = brightness
        self.history.append((time.monotonic(), brightness))


class FakeLeds:
    """The folder with LEDs, mounted at `folder` while the context lasts.

    Where this user may not mount it, the test is skipped.
    """

    def __init__(self, folder: Path, *leds: FakeLed) -> None:
        self.folder = folder
        self.leds = list(leds)
        self._numbers: dict[int, tuple[FakeLed, str]] = {}

    def __enter__(self):
        if os.geteuid() != 0 or not Path("/dev/fuse").exists():
            pytest.skip("needs root and /dev/fuse, for files that obey as the kernel's")
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        target = os.fsencode(self.folder)
        if _libc.mount(b"leds", target, b"fuse", _MS_NOSUID_NODEV, options.encode()):
            code = ctypes.get_errno()
            os.close(self._device)
            raise OSError(code, os.strerror(code))
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        # What is still open does not hold this up, as it would hold up an unmounting.
        os.close(self._stopper)
        self._thread.join()
        os.close(self._device)
        os.close(self._stop)
        _libc.umount2(os.fsencode(self.folder), _MNT_DETACH)

    def inside(self) -> list[str]:
        """Return the command that executes what follows it where these LEDs are in /sys/class/leds."""
        script = "mount --make-rprivate /; mount -t tmpfs none /sys/class; mkdir /sys/class/leds; "
        script += f'mount --bind "{self.folder}" /sys/class/leds; exec "$@"'
        return ["unshare", "--mount", "sh", "-ec", script, "sh"]

    def _serve(self) -> None:
        while self._stop not in select.select([self._device, self._stop], [], [])[0]:
            try:
                request = os.read(self._device, 1 << 17)
            except OSError:  # the one who asked was killed
                continue
            _, opcode, unique, node, *_ = _IN_HEADER.unpack_from(request)
            if opcode in (_FORGET, _BATCH_FORGET):
                continue
            code, answer = 0, b""
            try:
                answer = self._answer(opcode, node, request[_IN_HEADER.size :])
            except OSError as error:
                code = error.errno
            header = _OUT_HEADER.pack(_OUT_HEADER.size + len(answer), -code, unique)
            with contextlib.suppress(OSError):  # the one who asked was killed
                os.write(self._device, header + answer)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes:
        handlers = {
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _GETATTR: self._getattr,
            _SETATTR: self._getattr,
            _OPEN: self._open,
            _OPENDIR: self._open,
            _READ: self._read,
            _WRITE: self._write,
            _READDIR: self._readdir,
            _STATFS: lambda *_: bytes(80),
            _RELEASE: lambda *_: b"",
            _FLUSH: lambda *_: b"",
            _RELEASEDIR: lambda *_: b"",
        }
        if opcode not in handlers:
            raise OSError(errno.ENOSYS, "not supported")
        return handlers[opcode](node, body)

    def _init(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 16, 0, 0, 0, 1 << 16, 1, 0, 0, *[0] * 8)

    def _lookup(self, node: int, body: bytes) -> bytes:
        child = self._child(node, body.rstrip(b"\0").decode())
        return struct.pack("<QQQQII", child, 0, 0, 0, 0, 0) + self._attr(child)

    def _getattr(self, node: int, _body: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attr(node)

    def _open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        led, file = self._entry(node)
        if file == "brightness" and flags & os.O_ACCMODE and not led.writable:
            raise OSError(errno.EACCES, "not yours")
        return struct.pack("<QII", 0, _DIRECT_IO if file else 0, 0)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        led, file = self._present(node)
        return led.read(file)[offset : offset + size]

    def _write(self, node: int, body: bytes) -> bytes:
        _, _, size = struct.unpack_from("<QQI", body)
        led, file = self._present(node)
        led.write(file, body[_WRITE_HEADER_BYTES : _WRITE_HEADER_BYTES + size])
        return struct.pack("<II", size, 0)

    def _readdir(self, node: int, body: bytes) -> bytes:
        _, offset, _ = struct.unpack_from("<QQI", body)
        return b"".join(self._listing(node)[offset:])

    def _child(self, node: int, name: str) -> int:
        """Return the number of an entry: 1 is the root, then four numbers for each LED that ever was."""
        names = [led.name for led in self.leds] if node == _ROOT else _FILES
        if name not in names or (node != _ROOT and self._entry(node)[1]):
            raise OSError(errno.ENOENT, name)
        if node != _ROOT:
            return node + 1 + _FILES.index(name)
        led = self.leds[names.index(name)]
        for number, (known, file) in self._numbers.items():
            if known is led and not file:
                return number
        first = 2 + len(self._numbers)
        for number, file in enumerate(("", *_FILES), first):
            self._numbers[number] = led, file
        return first

    def _entry(self, node: int) -> tuple[FakeLed | None, str]:
        return (None, "") if node == _ROOT else self._numbers[node]

    def _present(self, node: int) -> tuple[FakeLed, str]:
        led, file = self._entry(node)
        if led not in self.leds:
            raise OSError(errno.ENODEV, "the LED has gone")
        return led, file

    def _attr(self, node: int) -> bytes:
        file = self._entry(node)[1]
        kind = stat.S_IFREG | (0o444 if file == "max_brightness" else 0o644) if file else stat.S_IFDIR | 0o755
        return _ATTR.pack(node, 4096 if file else 0, 0, 0, 0, 0, 0, 0, 0, kind, 1, 0, 0, 0, 4096, 0)

    def _listing(self, node: int) -> list[bytes]:
        names = [led.name for led in self.leds] if node == _ROOT else _FILES
        entries = []
        for offset, name in enumerate(names, 1):
            text = name.encode()
            entries.append(struct.pack("<QQII", 100 + offset, offset, len(text), 0) + text + bytes(-len(text) % 8))
        return entries
