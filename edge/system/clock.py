"""Reads the clocks: the time of day, a clock that no step changes, and whether the time of day is synchronised.

A board without a battery starts with a time of day that may be years off, until a time service sets it.
"""

import ctypes
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMESYNCD_FILE: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it whenever it has synchronised the clock (systemd-timesyncd.service(8))."""

_BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")

_STA_UNSYNC: Final = 0x0040
"""Status bit of adjtimex(2): the clock is not synchronised (linux/timex.h)."""

_READ_SECONDS: Final = 0.001
"""Two clocks that were read within this time count as read at one moment; a busy machine may stop a thread between."""

_READ_ATTEMPTS: Final = 5


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`; the C library writes 208 bytes at most."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The clocks at one moment, in seconds.

    `unix`: the time of day, since 1970. `boottime`: since the machine started, with the time in which it was
    suspended; setting the clock does not change it. `synchronised`: whether a time service is known to have set the
    clock since the machine started.
    """

    unix: float
    boottime: float
    synchronised: bool

    @property
    def offset(self) -> float:
        """Time of day at which the machine started by this reading; it changes only where the clock is set."""
        return self.unix - self.boottime


def kernel_synchronised() -> bool | None:
    """Return whether the kernel's clock is synchronised; None where the kernel does not tell.

    A sandbox may forbid the call: systemd's ProtectClock= does.
    """
    adjtimex = _adjtimex()
    if adjtimex is None:
        return None
    timex = _Timex()  # modes = 0: nothing is changed
    state = adjtimex(ctypes.byref(timex))
    return None if state < 0 else not timex.status & _STA_UNSYNC


@functools.cache
def _adjtimex() -> Callable[..., int] | None:
    """Return the function of the C library; None where there is none. Loading it takes longer than a call."""
    try:
        function: Callable[..., int] = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError, MemoryError):
        return None
    return function


def clock_synchronised() -> bool:
    """Return whether a time service is known to have set the clock.

    Any service that disciplines the kernel's clock (chrony, ntpd, systemd-timesyncd) clears the kernel's flag. The
    kernel raises it again hours after the last contact, while the clock is still right; the file of timesyncd stays.
    """
    return bool(kernel_synchronised()) or _TIMESYNCD_FILE.exists()


def machine_boot_id() -> str:
    """Return the kernel's id of this start of the machine; empty where there is none. `boottime` counts within it."""
    try:
        return _BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _boottime() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SystemClock:
    """Reads the clocks of the machine. Thread-safe.

    `unix`, `boottime`: read the clocks, in seconds. `synchronised`: whether the time of day is synchronised now; it is
    not called again once it was true: a clock that was set stays nearly right, also without the network.
    `machine_boot`: identity of this start of the machine.
    """

    def __init__(
        self,
        unix: Callable[[], float] = time.time,
        boottime: Callable[[], float] = _boottime,
        synchronised: Callable[[], bool] = clock_synchronised,
        machine_boot: str | None = None,
    ) -> None:
        self._unix = unix
        self._boottime = boottime
        self._is_synchronised = synchronised
        self._synchronised = False
        self.machine_boot = machine_boot_id() if machine_boot is None else machine_boot

    def read(self) -> ClockReading:
        """Return the clocks at one moment."""
        self._synchronised = self._synchronised or self._is_synchronised()
        best: tuple[float, float, float] | None = None
        for _ in range(_READ_ATTEMPTS):
            before = self._boottime()
            unix = self._unix()
            took = self._boottime() - before
            if best is None or took < best[0]:
                best = took, unix, before + took / 2
            if took <= _READ_SECONDS:
                break
        assert best is not None  # noqa: S101 - there was an attempt
        return ClockReading(best[1], best[2], self._synchronised)

    def boottime(self) -> float:
        """Return the time by the clock that no step changes, in seconds."""
        return self._boottime()

    def boottime_at(self, monotonic: float) -> float:
        """Return the boottime of a moment of the last seconds, given by `time.monotonic()`."""
        return self._boottime() - (time.monotonic() - monotonic)
