"""Checks the machine for `doctor`: board, versions, temperature, scheduling priority."""

import os
import platform
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import cv2
import numpy as np

from edge import __version__
from edge.commands.doctor.checks import Check, Checks
from edge.config.schema import Config
from edge.system import board
from edge.system.led import LEDS_FOLDER, IndicatorLight
from edge.system.realtime import describe_priority
from edge.system.service import PROGRAM, Service

_UNITS: Final = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"))
"""Where systemd/install and the Debian package have installed the units."""


class SystemChecks(Checks):
    """Checks the machine."""

    conditional: ClassVar[frozenset[str]] = frozenset({"light"})

    def __init__(
        self,
        config: Config,
        units: Sequence[Path] = _UNITS,
        environ: Mapping[str, str] = os.environ,
        leds: Path = LEDS_FOLDER,
        service: Service | None = None,
    ) -> None:
        """`units`: folders of the services' units. `environ`: names the state folder inside a service alone.

        `leds`: the kernel's folder of LEDs. `service`: the one whose configuration is checked; by default the single.
        """
        super().__init__(config)
        self._leds = leds
        self._is_service = "STATE_DIRECTORY" in environ
        self._service = service or Service()
        unit = f"{PROGRAM}{'@' * bool(self._service.name)}.service"
        self._is_installed = any((folder / unit).exists() for folder in units)

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name."""
        light = {"light": self._light} if self.config.indicator.led else {}
        return {"system": self._system, "priority": self._priority} | light

    def _system(self) -> str:
        name = board.board_name() or platform.machine()
        celsius = board.temperature_c()
        temperature = "" if celsius is None else f", {celsius:.0f} degrees C"
        if self._is_installed and not self._is_service:
            check = f"sudo emotion-edge service check {self._service.name}".rstrip()
            self.warn(
                f"these are the rights of {_user()}, and the service {self._service.unit} has fewer: to check with the "
                f"rights of the service, type '{check}'"
            )
        throttled = ", throttled now: check power supply and cooling" if board.throttled() else ""
        return (
            f"emotion-edge {__version__} on {name}, Python {platform.python_version()}, "
            f"OpenCV {cv2.__version__}, numpy {np.__version__}{temperature}{throttled}"
        )

    def _priority(self) -> str:
        return describe_priority(self.config.budget.priority)

    def _light(self) -> str:
        """Switch the LED on and off, unless another process needs it. It may be on after a process was killed."""
        name = self.config.indicator.led
        light = IndicatorLight(name, self._leds)
        trigger = light.trigger()
        light.hold()
        light.release()
        if trigger is not None:
            self.warn(
                f"the LED {name} was switched by the kernel's trigger {trigger}, which is removed now, as `run` does; "
                f"to keep it away after a start of this machine, let nothing set it (/sys/class/leds/{name}/trigger)"
            )
        if not light.clear():
            return f"the LED {name} is on: another program has its camera open"
        return f"the LED {name} went on and off"


def _user() -> str:
    """Return who runs this, for a message."""
    try:
        return f"the user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:  # a number without a name, as containers have
        return f"the user {os.geteuid()}"
