"""A system in a container: systemd-nspawn boots a Debian of this machine's architecture, with systemd as process 1.

Natively fast, so that a package can be installed, upgraded and removed in both releases in minutes. It shares the
network of this machine and has no camera.
"""

import os
import subprocess
from pathlib import Path
from typing import Final

from .device import Device

_POLL_SECONDS: Final = 0.5
_CGROUPS: Final = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
"""Hierarchies of cgroups in which the container needs a group of its own, where they are there."""


class Container(Device):
    """A system that boots from the folder `root`, which is used up. `payload` appears in it as /mnt, read-only.

    It has no power to cut, and no LED.
    """

    name = "container"
    host = "127.0.0.1"
    """Address of this machine as seen from the container."""
    uri = "scripted:happy=3,sad=3,surprise=3,none=13?seed=1&loop=1"
    """Source of the sensor: there is no camera."""

    def __init__(self, root: Path, payload: Path, scratch: Path, timeout_factor: float) -> None:
        super().__init__(scratch / "console.log", timeout_factor, _POLL_SECONDS)
        self._root = root
        self._payload = payload
        self._first_process = 0

    def start(self) -> None:
        """Start the system, and return once systemd answers."""
        groups = [folder / f"emotion-edge-{os.getpid()}" for folder in _CGROUPS if (folder / "cgroup.procs").exists()]
        for group in groups:
            group.mkdir(exist_ok=True)
        joins = "".join(f"echo $$ >{group}/cgroup.procs; " for group in groups)
        # Without its own unit: whether this machine itself is run by systemd must not matter.
        nspawn = (
            f"{joins}SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --boot --register=no --keep-unit "
            f"--console=passive --directory={self._root} --bind-ro={self._payload}:/mnt"
        )
        with self.console.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", nspawn], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.wait("the container has a first process", 60, self._find_first_process)
        self.wait("systemd answers", 60, lambda: self.run("systemctl is-system-running").stdout.strip())

    def power_off(self) -> None:
        """Shut the system down."""
        self.run("systemctl poweroff")
        assert self._process is not None
        self._process.wait(60 * self.timeout_factor)
        self._process = None

    def run(self, command: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a shell command in the system as root, for at most `seconds` times `timeout_factor`."""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["nsenter", f"--target={self._first_process}", "--all"]
        return subprocess.run(
            [*inside, "env", "-i", path, "HOME=/root", "LANG=C.UTF-8", "sh", "-c", f"cd / && {command}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds * self.timeout_factor,
            check=False,
        )

    def close(self) -> None:
        """End the container, whatever its state."""
        process, self._process = self._process, None
        if process is not None:
            if self._first_process:
                subprocess.run(["kill", "-KILL", str(self._first_process)], check=False, capture_output=True)
            process.terminate()
            process.wait()

    def _find_first_process(self) -> bool:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            found = [int(one) for one in children.read_text(encoding="ascii").split()]
        except OSError:
            return False
        # nspawn's own child becomes the first process once it has set up the namespaces.
        for one in found:
            if Path(f"/proc/{one}/comm").read_text(encoding="ascii").strip() == "systemd":
                self._first_process = one
        return bool(self._first_process)
