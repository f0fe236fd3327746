"""Checks the machine for `doctor`: board, versions, temperature, scheduling priority."""

import platform

import cv2
import numpy as np

from edge import __version__
from edge.commands.doctor.checks import Check, Checks
from edge.system import board
from edge.system.realtime import describe_priority


class SystemChecks(Checks):
    """Checks the machine."""

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name."""
        return {"system": self._system, "priority": self._priority}

    def _system(self) -> str:
        name = board.board_name() or platform.machine()
        celsius = board.temperature_c()
        temperature = "" if celsius is None else f", {celsius:.0f} degrees C"
        throttled = ", throttled now: check power supply and cooling" if board.throttled() else ""
        return (
            f"emotion-edge {__version__} on {name}, Python {platform.python_version()}, "
            f"OpenCV {cv2.__version__}, numpy {np.__version__}{temperature}{throttled}"
        )

    def _priority(self) -> str:
        return describe_priority(self.config.budget.priority)
