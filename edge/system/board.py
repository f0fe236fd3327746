"""Reads the board's sensors and identity: temperature, throttling, model name, device id."""

import hashlib
import logging
import os
from collections.abc import Mapping
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
_CONTAINER_FILES: Final = (".dockerenv", "run/.containerenv")
"""Made by docker and by podman in each container."""
_CONTAINER_NAMES: Final = frozenset({"oci", "docker", "podman"})
"""Values of $container (systemd's container interface): this project's image sets it to oci, podman to podman. Others,
such as systemd-nspawn, are whole systems, which may have cameras of their own."""

log = logging.getLogger(__name__)


def temperature_c(path: Path = _THERMAL) -> float | None:
    """Return the processor's temperature in degrees Celsius; None where the board has no sensor."""
    try:
        return int(path.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def throttled(path: Path = _THROTTLED) -> bool | None:
    """Return whether the firmware limits the clock now; None on other boards than a Raspberry Pi."""
    try:
        return bool(int(path.read_text(encoding="ascii"), 16) & _THROTTLED_NOW)
    except (OSError, ValueError):
        return None


def board_name(path: Path = _MODEL) -> str | None:
    """Return the board's name from the device tree, such as "Raspberry Pi 4 Model B Rev 1.5"; None without one."""
    try:
        return path.read_text(encoding="utf-8").strip("\0\n ") or None
    except (OSError, UnicodeDecodeError):
        return None


def in_container(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> bool:
    """Return whether this process runs in a container of one program, as docker and podman make them."""
    return environ.get("container") in _CONTAINER_NAMES or any((root / name).exists() for name in _CONTAINER_FILES)


def device_id(configured: str = "", path: Path = _MACHINE_ID, instance: str = "") -> str:
    """Return the configured id (`device.id`), else a stable one of 12 hexadecimal digits, from the machine id.

    `instance`: name of one of several services of this machine, which ends an id that is not configured.

    The machine id is hashed, because machine-id(5) demands that it is not shown on a network. Where there is none, as
    in a container, the address of the network hardware takes its place.
    """
    if configured:
        return configured
    try:
        seed = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        seed = ""
    if not seed:
        import uuid  # noqa: PLC0415 - its import searches libraries, and few systems need it

        node = uuid.getnode()
        seed = f"mac:{node:012x}"
        if node >> 40 & 1:  # RFC 4122: the multicast bit marks a random number in place of an address
            log.warning("no machine id and no network hardware, so the device id is random: set device.id to keep one")
    machine = hashlib.sha256(f"emotion-edge:{seed}".encode()).hexdigest()[:_ID_LENGTH]
    return f"{machine}-{instance}" if instance else machine
