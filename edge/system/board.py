"""What the board tells about itself: temperature, throttling, identity. None where it does not tell."""

import hashlib
import logging
from pathlib import Path
from typing import Final

_THERMAL: Final = Path("/sys/class/thermal/thermal_zone0/temp")
_THROTTLED: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""The Raspberry Pi firmware's bits, as `vcgencmd get_throttled` prints them (hexadecimal)."""
_THROTTLED_NOW: Final = 0x6
"""Bit 1: clock capped now; bit 2: throttled now (Raspberry Pi documentation, vcgencmd)."""
_MODEL: Final = Path("/proc/device-tree/model")
_MACHINE_ID: Final = Path("/etc/machine-id")
_ID_LENGTH: Final = 12

log = logging.getLogger(__name__)


def temperature_c(path: Path = _THERMAL) -> float | None:
    """Return the processor's temperature in degrees Celsius."""
    try:
        return int(path.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def throttled(path: Path = _THROTTLED) -> bool | None:
    """Tell whether the firmware holds the clock down now."""
    try:
        return bool(int(path.read_text(encoding="ascii"), 16) & _THROTTLED_NOW)
    except (OSError, ValueError):
        return None


def board_name(path: Path = _MODEL) -> str | None:
    """Return the board as the device tree names it, such as "Raspberry Pi 4 Model B Rev 1.5"."""
    try:
        return path.read_text(encoding="utf-8").strip("\0\n ") or None
    except (OSError, UnicodeDecodeError):
        return None


def device_id(configured: str = "", path: Path = _MACHINE_ID) -> str:
    """Return the configured id (`device.id`), else derive a stable one from the machine id, 12 hexadecimal digits.

    Hashed, because machine-id(5) asks that the id itself is not shown on a network. A root without
    one (a container) falls back on the network hardware's address.
    """
    if configured:
        return configured
    try:
        seed = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        seed = ""
    if not seed:
        import uuid  # noqa: PLC0415 - it looks for libraries, and few need it

        node = uuid.getnode()
        seed = f"mac:{node:012x}"
        if node >> 40 & 1:  # RFC 4122: the multicast bit marks a random number in place of an address
            log.warning("no machine id and no network hardware: this device's id is random; set device.id to keep one")
    return hashlib.sha256(f"emotion-edge:{seed}".encode()).hexdigest()[:_ID_LENGTH]
