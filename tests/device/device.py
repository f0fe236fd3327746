"""What the emulated device and the container have in common: checked commands, and waiting."""

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path


class DeviceError(Exception):
    """A check on the device failed; the message is the reason."""


class Device(ABC):
    """A Debian that runs in a process of this machine, its emulator or its container.

    `console`: file with what it prints. `poll_seconds`: how often `wait` looks. `timeout_factor` multiplies every time
    limit, because the limits are for an idle machine.
    """

    name: str
    """What it is called in messages."""
    host: str
    """Address of this machine's 127.0.0.1 as seen from the device."""
    uri: str
    """Source of the sensor."""

    def __init__(self, console: Path, timeout_factor: float, poll_seconds: float) -> None:
        self.console = console
        self.timeout_factor = timeout_factor
        self._poll_seconds = poll_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start the device, and return once it takes commands."""

    @abstractmethod
    def power_off(self) -> None:
        """Shut the device down."""

    @abstractmethod
    def run(self, command: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the device as root, for at most `seconds` times `timeout_factor`."""

    @abstractmethod
    def close(self) -> None:
        """End the device, whatever its state."""

    def run_checked(self, command: str, seconds: float = 60) -> str:
        """Run a command and return its output; raises `DeviceError` where its exit code is not 0."""
        done = self.run(command, seconds)
        if done.returncode:
            output = (done.stdout + done.stderr).strip()
            raise DeviceError(f"'{command}' on the {self.name} exited with {done.returncode}: {output[-2000:]}")
        return done.stdout.strip()

    def wait(self, what: str, seconds: float, condition: Callable[[], object]) -> float:
        """Wait until `condition()`, at most `seconds` times `timeout_factor`; returns how long it took.

        A command that the device does not complete in time is repeated.
        """
        began = time.monotonic()
        while not _holds(condition):
            if self._process is not None and self._process.poll() is not None:
                raise DeviceError(f"the {self.name} ended while waiting until {what}: see {self.console.parent}")
            if time.monotonic() - began > seconds * self.timeout_factor:
                raise DeviceError(f"timed out after {time.monotonic() - began:.0f} s waiting until {what}")
            time.sleep(self._poll_seconds)
        return time.monotonic() - began


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except subprocess.TimeoutExpired:
        return False
