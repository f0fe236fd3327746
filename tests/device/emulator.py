"""The emulated device: the qemu process, its disk, and commands over SSH."""

import subprocess
from pathlib import Path
from typing import Final

from support.held_port import HeldPort

from .device import Device

_POLL_SECONDS: Final = 2.0

LED: Final = "camera"
_LED_NODE: Final = f"""
/ {{
    leds {{
        compatible = "gpio-leds";
        led-0 {{
            label = "{LED}";
            gpios = <&{{/pl061@9030000}} 0 0>;
        }};
    }};
}};
"""
"""An LED on the first pin of the board's GPIO controller, as dtoverlay=gpio-led describes one on a Raspberry Pi."""


class Emulator(Device):
    """A machine of two Cortex-A72 that boots from `image` (a folder that scripts/make-device made).

    `payload` is a second disk, read-only. What the device writes goes to an overlay in `scratch` and stays there over
    several starts: qemu keeps its newest tables in memory until the device flushes, so that a power cut loses what was
    not flushed. `timeout_factor` multiplies every time limit, because the limits are for an idle machine.
    """

    name = "emulated device"
    host = "10.0.2.2"
    """Address of this machine's 127.0.0.1 as seen from the device, in qemu's user network."""
    uri = "v4l2:/dev/video0"
    """Source of the sensor: the kernel's virtual camera that plays the actor."""

    def __init__(self, image: Path, payload: Path, scratch: Path, timeout_factor: float) -> None:
        super().__init__(scratch / "console.log", timeout_factor, _POLL_SECONDS)
        self._image = image
        self._payload = payload
        self._scratch = scratch
        self._ssh_port = HeldPort()
        self._disk = scratch / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image / "root.img", self._disk], check=True
        )

        self._board = scratch / "board.dtb"
        self._make_board()

    def start(self) -> None:
        """Start the device, and return once it accepts logins."""
        with (self._scratch / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait("the device accepts logins", 300, lambda: self.run("true", 20).returncode == 0)

    def power_cut(self) -> None:
        """Kill qemu, as a power cut ends a device."""
        self._disconnect()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def power_off(self) -> None:
        """Shut the device down."""
        self.run_checked("systemctl poweroff")
        self._disconnect()
        assert self._process is not None
        self._process.wait(120 * self.timeout_factor)
        self._process = None

    def run(self, command: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the device as root, for at most `seconds` times `timeout_factor`."""
        return subprocess.run(
            [*self._ssh(), command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds * self.timeout_factor,
            check=False,
        )

    def close(self) -> None:
        """End the emulator, whatever its state."""
        self.power_cut()

    def _make_board(self) -> None:
        """Write the device tree of qemu's board, with an LED more."""
        plain = self._scratch / "plain.dtb"
        # Without a network card, whose ROM is in a package that is only recommended.
        machine = [*self._machine[:2], f"{self._machine[2]},dumpdtb={plain}", *self._machine[3:], "-nic", "none"]
        subprocess.run(machine, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        quiet = ("-q", "-I", "dtb", "-O", "dts", str(plain))
        source = subprocess.run(["dtc", *quiet], check=True, capture_output=True, text=True).stdout
        subprocess.run(
            ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", self._board], input=source + _LED_NODE, text=True, check=True
        )

    _machine: Final = (
        *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048"),
        *("-display", "none", "-monitor", "none"),
    )

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
        extra = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self._image / "key"),
            "-p",
            str(self._ssh_port.number),
            *extra,
            "root@127.0.0.1",
        ]

    def _disconnect(self) -> None:
        """Close the connection that `ControlPersist` keeps open."""
        command = [*self._ssh(), "-O", "exit"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)

    def _command(self) -> list[str]:
        return [
            *self._machine,
            *("-accel", "tcg,thread=multi", "-serial", f"file:{self.console}", "-dtb", str(self._board)),
            *("-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._image / "initrd.img")),
            *("-append", "root=/dev/vda rw console=ttyAMA0 net.ifnames=0"),
            *("-drive", f"if=none,id=root,format=qcow2,file={self._disk}"),
            *("-drive", f"if=none,id=payload,format=raw,readonly=on,file={self._payload}"),
            *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-blk-pci,drive=payload"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self._ssh_port.number}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
        ]
