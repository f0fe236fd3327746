"""Checks the machine for `doctor`: board, versions, temperature, scheduling priority."""

import os
import platform
import pwd
from collections.abc import Mapping
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

_UNIT: Final = Path("/etc/systemd/system/emotion-edge.service")
"""The service, where systemd/install has installed it."""


class SystemChecks(Checks):
    """Checks the machine."""

    conditional: ClassVar[frozenset[str]] = frozenset({"light"})

    def __init__(
        self,
        config: Config,
        unit: Path = _UNIT,
        environ: Mapping[str, str] = os.environ,
        leds: Path = LEDS_FOLDER,
    ) -> None:
        """`unit`: file of the service. `environ`: names the service's state folder inside the service alone.

        `leds`: the kernel's folder of LEDs.
        """
        super().__init__(config)
        self._leds = leds
        self._is_service = "STATE_DIRECTORY" in environ
        self._unit = unit

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name."""
        light = {"light": self._light} if self.config.indicator.led else {}
        return {"system": self._system, "priority": self._priority} | light

    def _system(self) -> str:
        name = board.board_name() or platform.machine()
        celsius = board.temperature_c()
        temperature = "" if celsius is None else f", {celsius:.0f} degrees C"
        if self._unit.exists() and not self._is_service:
            self.warn(
                f"these are the rights of {_user()}, and the service has fewer: to check with the rights of the "
                "service, type 'sudo systemd/install --check' in the checkout"
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
