"""The emulated device: qemu's process, its disk, and a way in."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.commands.demo_broker import free_port

HOST: Final = "10.0.2.2"
"""This machine's 127.0.0.1, as qemu's user network shows it to the device."""

_POLL_SECONDS: Final = 2.0


class DeviceError(Exception):
    """Something on the device is not as it must be; the message says what."""


class Emulator:
    """A machine of two Cortex-A72 that boots from `image` (a folder that scripts/make-device made).

    `payload` is a second disk, read-only. What the device writes goes to an overlay in `scratch` and stays
    there over `start`s: qemu keeps its newest tables in memory until the device flushes, so that a power cut
    loses what had not been flushed. `patience` multiplies every limit here, which are for an idle machine.
    """

    def __init__(self, image: Path, payload: Path, scratch: Path, patience: float) -> None:
        self._image = image
        self._payload = payload
        self._scratch = scratch
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.console = scratch / "console.log"
        self._disk = scratch / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image / "root.img", self._disk], check=True
        )

    def start(self) -> None:
        """Switch it on, and return once one can log in."""
        self._port = free_port()
        with (self._scratch / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait("one can log in", 300, lambda: self.run("true", 20).returncode == 0)

    def power_cut(self) -> None:
        """End it between two instructions."""
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def power_off(self) -> None:
        """Shut it down in good order."""
        self.tell("systemctl poweroff")
        self._hang_up()
        assert self._process is not None
        self._process.wait(120 * self.patience)
        self._process = None

    def run(self, command: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the device as root, for at most `seconds` times the patience."""
        return subprocess.run(
            [*self._ssh(), command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds * self.patience,
            check=False,
        )

    def tell(self, command: str, seconds: float = 60) -> str:
        """Run a command that has to succeed; returns what it prints."""
        done = self.run(command, seconds)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise DeviceError(f"'{command}' on the device gives {done.returncode}: {said[-2000:]}")
        return done.stdout.strip()

    def close(self) -> None:
        """End it, however it is."""
        self.power_cut()

    def wait(self, what: str, seconds: float, condition: Callable[[], object]) -> float:
        """Wait until `condition()`, at most `seconds` times the patience; returns how long it took.

        A question that the device does not answer in time is asked again.
        """
        began = time.monotonic()
        while not _answered(condition):
            if self._process is not None and self._process.poll() is not None:
                raise DeviceError(f"the emulator ended while waiting until {what}: see {self._scratch}/qemu.log")
            if time.monotonic() - began > seconds * self.patience:
                raise DeviceError(f"waited {time.monotonic() - began:.0f} s in vain until {what}")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    def _ssh(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "ControlMaster": "auto",
            "ControlPath": str(self._scratch / "ssh"),
            "ControlPersist": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        spelled = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", "-i", str(self._image / "key"), "-p", str(self._port), *spelled, "root@127.0.0.1"]

    def _hang_up(self) -> None:
        """End the connection that `ControlPersist` keeps open."""
        hang_up = [*self._ssh(), "-O", "exit"]
        subprocess.run(hang_up, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)

    def _command(self) -> list[str]:
        return [
            "qemu-system-aarch64",
            *("-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048", "-accel", "tcg,thread=multi"),
            *("-display", "none", "-monitor", "none", "-serial", f"file:{self.console}"),
            *("-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._image / "initrd.img")),
            *("-append", "root=/dev/vda rw console=ttyAMA0 net.ifnames=0"),
            *("-drive", f"if=none,id=root,format=qcow2,file={self._disk}"),
            *("-drive", f"if=none,id=payload,format=raw,readonly=on,file={self._payload}"),
            *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-blk-pci,drive=payload"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
        ]


def _answered(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except subprocess.TimeoutExpired:
        return False
