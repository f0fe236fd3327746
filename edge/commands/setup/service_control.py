"""Checks the sensor as its service runs it, and enables and starts that service, where systemd runs here."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from edge.commands.common import load_config
from edge.config.credentials import PASSWORD_VARIABLE
from edge.errors import EdgeError
from edge.logs.setup import print_error
from edge.system.service import Service

SHARE: Final = Path(sys.prefix, "share", "emotion-edge")
"""Where an installation has its shell programs."""
_BOOTED: Final = Path("/run/systemd/system")
"""A folder that exists where systemd runs the system (sd_booted(3))."""
_NOT_FOUND: Final = "not-found"

RunProgram = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run_program(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program, and return its exit code and what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands


class ServiceControl:
    """The service of one sensor. `share`, `booted`, `run`: where to look, and how programs are run."""

    def __init__(
        self, service: Service, share: Path = SHARE, booted: Path = _BOOTED, run: RunProgram = run_program
    ) -> None:
        self._service = service
        self._share = share
        self._booted = booted
        self._run = run
        self._was_enabled = self._was_active = False
        self._changed = False

    @property
    def is_installed(self) -> bool:
        """Whether systemd runs here and knows the unit."""
        if not self._booted.is_dir():
            return False
        return self._systemctl("show", "--value", "-p", "LoadState").stdout.strip() not in {"", _NOT_FOUND}

    @property
    def is_active(self) -> bool:
        """Whether the service runs."""
        return self._systemctl("is-active").stdout.strip() in {"active", "activating", "reloading"}

    @property
    def is_running(self) -> bool:
        """Whether the sensor runs, with the configuration with which it was started.

        One that systemd is about to start again does not: it will read the new configuration.
        """
        return self._systemctl("is-active").stdout.strip() in {"active", "reloading"}

    def check(self, config_file: Path, password: str | None) -> bool:
        """Run doctor as the service, else in this process; returns whether every part is in order.

        `password`: of the broker, which this process, unlike the service, gets from nobody else.
        """
        program = self._share / "service"
        if self.is_installed and program.is_file():
            command = ["/bin/sh", str(program), "check", *[self._service.name][: bool(self._service.name)]]
            return _run_to_its_end(command) == 0
        return check_here(config_file, password)

    def start(self) -> str | None:
        """Enable and start the service, or start it again; returns what systemd said where that fails."""
        self._was_enabled = self._systemctl("is-enabled").stdout.strip() == "enabled"
        self._was_active = self.is_active
        self._changed = True
        for verb in ("enable", "restart"):
            done = self._systemctl(verb)
            if done.returncode != 0:
                return (done.stderr.strip() or f"systemctl {verb} ended with {done.returncode}").splitlines()[0]
        return None

    def undo(self) -> None:
        """Put the service back as it was before `start`, with the configuration that is there now."""
        if not self._changed:
            return
        if not self._was_enabled:
            self._systemctl("disable")
        self._systemctl("restart" if self._was_active else "stop")

    def _systemctl(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        try:
            return self._run(["systemctl", verb, *arguments, self._service.unit])
        except OSError as error:
            return subprocess.CompletedProcess([], 1, "", f"systemctl cannot be run ({error.strerror})")


def _run_to_its_end(command: Sequence[str]) -> int:
    """Run a program on this terminal; returns its exit code. Where it is interrupted, it still removes its traces."""
    with subprocess.Popen(command) as process:  # noqa: S603 - a program of this installation
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Ctrl-C reaches it too; SIGTERM to this process alone does not.
            process.terminate()
            process.wait()
            raise


def check_here(config_file: Path, password: str | None) -> bool:
    """Run doctor in this process, with the rights of this user; returns whether every part is in order."""
    # It loads the network's interpreter, which no question needs.
    from edge.commands.doctor import command as doctor  # noqa: PLC0415

    arguments = argparse.Namespace(config=config_file, config_folder=config_file.parent, only=[], skip=[])
    before = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        os.environ[PASSWORD_VARIABLE] = password
    try:
        return doctor.run(arguments, load_config(arguments)) == 0
    except EdgeError as error:
        print_error(str(error))
        return False
    finally:
        if password is not None:
            os.environ.pop(PASSWORD_VARIABLE, None)
            if before is not None:
                os.environ[PASSWORD_VARIABLE] = before
