"""Describes this machine: its hardware and software, and its load, clock and temperature now."""

import os
import platform
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge import __version__
from edge.commands.bench.report import Conditions, Facts
from edge.system import board
from edge.vision.classification.classifier import Classifier

_CPUINFO: Final = Path("/proc/cpuinfo")
_MEMINFO: Final = Path("/proc/meminfo")
_DMI: Final = Path("/sys/class/dmi/id")
_CPUFREQ: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_ARM_PARTS: Final = {
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd41": "Cortex-A78",
}
"""Names of Arm's part numbers, which is all that /proc/cpuinfo holds (Linux, arch/arm64/include/asm/cputype.h)."""


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _fields(path: Path) -> dict[str, str]:
    """Read lines of `name : value`; the first line of each name counts."""
    fields: dict[str, str] = {}
    for line in (_text(path) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def processor_name(path: Path = _CPUINFO) -> str:
    """Return the processor's name, such as "Cortex-A72", or as much of it as the system reports."""
    fields = _fields(path)
    arm = _ARM_PARTS.get(fields.get("CPU part", "").lower())
    return fields.get("model name") or arm or fields.get("Hardware") or platform.machine()


def memory_mb(path: Path = _MEMINFO) -> int | None:
    """Return the memory of the machine in units of 1024 * 1024 bytes; None where it is unknown."""
    kilobytes = _fields(path).get("MemTotal", "").split(" ")[0]
    return int(kilobytes) // 1024 if kilobytes.isdigit() else None


def board_name(dmi: Path = _DMI) -> str | None:
    """Return the board's name from the device tree or, on a PC, from the firmware."""
    name = board.board_name()
    if name is None:
        parts = [_text(dmi / "sys_vendor"), _text(dmi / "product_name")]
        name = " ".join(part for part in parts if part) or None
    return name


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def processor_count() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def gather_facts(classifier: Classifier) -> Facts:
    """Gather machine, software and model, which stay the same during a run."""
    manifest = classifier.manifest
    return Facts(
        board=board_name(),
        processor=processor_name(),
        processors=processor_count(),
        memory_mb=memory_mb(),
        os=_system(),
        kernel=platform.release(),
        machine=platform.machine(),
        python=platform.python_version(),
        numpy=np.__version__,
        opencv=cv2.__version__,
        interpreter=str(classifier.runtime),
        emotion_edge=__version__,
        model=manifest.name,
        model_sha256=manifest.sha256,
        model_input=f"{manifest.input.width}x{manifest.input.height} {manifest.input.colour}",
    )


def current_conditions(cpufreq: Path = _CPUFREQ) -> Conditions:
    """Measure load, clock, temperature and throttling, which may change during a run."""
    kilohertz = _text(cpufreq / "scaling_cur_freq")
    return Conditions(
        load=round(os.getloadavg()[0], 2),
        governor=_text(cpufreq / "scaling_governor"),
        clock_mhz=int(kilohertz) / 1000 if kilohertz is not None and kilohertz.isdigit() else None,
        temperature_c=board.temperature_c(),
        throttled=board.throttled(),
    )
