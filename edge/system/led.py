"""Switches one LED of the kernel: the light that is on while a camera is open.

The files are those of /sys/class/leds/NAME (Documentation/ABI/testing/sysfs-class-led of Linux): `brightness` takes a
number from 0 to that in `max_brightness`; `trigger` lists what the kernel may switch the LED by, the active one in
brackets; writing 0 to `brightness` removes an active trigger.

Several processes may open cameras beside each other, as `doctor` does beside the service. So each holds a shared lock
(flock) on `brightness` for as long as it wants the light, and only who gets it exclusively may switch the LED off. The
kernel drops the locks of a process that is killed, but leaves the LED as it is: on.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import Final

from edge.errors import IndicatorError

log = logging.getLogger(__name__)

LEDS_FOLDER: Final = Path("/sys/class/leds")
_NO_TRIGGER: Final = "none"
_ACTIVE: Final = re.compile(r"\[([^\]]*)\]")
_TRIES: Final = 50
_TRY_SECONDS: Final = 0.02
"""Together one second: a driver that waits for its bus shows the new brightness late (led_classdev's workqueue), and
another process holds the exclusive lock only while it writes."""
_READ_BYTES: Final = 32


class IndicatorLight:
    """One LED, on while at least one user in this process holds it. Thread-safe.

    `name`: as in /sys/class/leds. `folder`: another place with the same files, for tests.
    """

    def __init__(self, name: str, folder: Path = LEDS_FOLDER) -> None:
        self._name = name
        self._folder = folder
        self._led = folder / name
        self._lock = threading.Lock()
        self._holders = 0
        self._file = -1

    def hold(self) -> None:
        """Switch the LED on, or keep it on for one user more. Raises IndicatorError, and nothing is held then."""
        with self._lock:
            if self._holders == 0:
                file = self._open()
                try:
                    _lock_shared(file)
                    self._switch_on(file)
                except BaseException:
                    os.close(file)
                    raise
                self._file = file
            else:
                self._switch_on(self._file)
            self._holders += 1

    def release(self) -> None:
        """End one hold; the last one switches the LED off, unless another process holds it. Raises nothing."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                try:
                    _switch_off(self._file)
                except OSError as error:
                    log.warning("the light %s cannot be switched off (%s)", self._name, error.strerror)
                finally:
                    os.close(self._file)

    def clear(self) -> bool:
        """Switch off what a process that was killed has left on; returns False where somebody holds the LED.

        Raises IndicatorError where the LED cannot be used.
        """
        with self._lock:
            if self._holders:
                return False
            file = self._open()
            try:
                return _switch_off(file)
            except OSError as error:
                raise self._failure(error) from error
            finally:
                os.close(file)

    def ensure(self) -> str | None:
        """Switch the LED on again where something else has changed it, and return what; None where it is on.

        To be called while it is held. Raises IndicatorError where it cannot be switched on.
        """
        with self._lock:
            try:
                trigger, dark = self._trigger(), _brightness(self._file) == 0
            except OSError as error:
                raise self._failure(error) from error
            if trigger is None and not dark:
                return None
            self._switch_on(self._file)
            if trigger is not None:
                return f"the kernel's trigger {trigger} had taken the light {self._name}: it is on again"
            return f"another program had switched off the light {self._name}: it is on again"

    def check(self) -> None:
        """Raise IndicatorError where there is no such LED, or this process may not write to it. Changes nothing."""
        os.close(self._open())

    def trigger(self) -> str | None:
        """Return the kernel's trigger that switches the LED now; None without one. Raises IndicatorError."""
        try:
            return self._trigger()
        except OSError as error:
            raise self._failure(error) from error

    def _trigger(self) -> str | None:
        try:
            found = _ACTIVE.search((self._led / "trigger").read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:  # a kernel without triggers
            return None
        return None if found is None or found[1] == _NO_TRIGGER else found[1]

    def _open(self) -> int:
        """Open `brightness` for reading and writing."""
        try:
            return os.open(self._led / "brightness", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise IndicatorError(self._sentence(f"there is no such LED: {self._others()}")) from None
        except OSError as error:
            raise self._failure(error) from error

    def _switch_on(self, file: int) -> None:
        try:
            most = int((self._led / "max_brightness").read_text(encoding="ascii"))
            if self._trigger() is not None:
                # Otherwise the kernel takes the next number for the brightness that the trigger switches to.
                _write(file, 0)
            _write(file, most)
            for _ in range(_TRIES):
                trigger = self._trigger()
                if trigger is None and _brightness(file) > 0:
                    return
                time.sleep(_TRY_SECONDS)
        except OSError as error:
            raise self._failure(error) from error
        except ValueError as error:
            raise IndicatorError(self._sentence(f"{self._led} is no LED that can be switched ({error})")) from error
        why = (
            "stays dark when it is switched on" if trigger is None else f"is switched by the kernel's trigger {trigger}"
        )
        raise IndicatorError(self._sentence(f"this LED {why}: name one that nothing else switches"))

    def _others(self) -> str:
        with contextlib.suppress(OSError):
            if names := sorted(path.name for path in self._folder.iterdir()):
                return f"{self._folder} has {', '.join(names)}"
        return f"{self._folder} has none (dtoverlay=gpio-led makes one on a Raspberry Pi)"

    def _failure(self, error: OSError) -> IndicatorError:
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            way = "`sudo emotion-edge service light` lets the service write it, and root may do so"
        elif error.errno == errno.ENODEV:
            way = "the LED has gone"
        else:
            way = "it must be an LED that can be switched"
        return IndicatorError(self._sentence(f"{self._led}/brightness cannot be written ({error.strerror}): {way}"))

    def _sentence(self, problem: str) -> str:
        return f'indicator.led is "{self._name}", but {problem}'


def _lock_shared(file: int) -> None:
    """Lock `file` for a holder. Goes on without the lock where a stranger keeps it: the light matters more."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TRY_SECONDS)
        else:
            return


def _switch_off(file: int) -> bool:
    """Write 0, unless another process holds the LED; returns whether it was written."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _write(file, 0)
    return True


def _write(file: int, brightness: int) -> None:
    os.pwrite(file, b"%d\n" % brightness, 0)


def _brightness(file: int) -> int:
    """Return the brightness; 0 where the file shows no number."""
    text = os.pread(file, _READ_BYTES, 0).strip()
    return int(text) if text.isdigit() else 0
