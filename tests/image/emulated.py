"""Runs the image for arm64 on an emulated board, and prints a line per check. scripts/test-image prepares its inputs.

python -m image.emulated DEVICE PAYLOAD SCRATCH, with tests on PYTHONPATH. DEVICE is the folder of an emulated device
that scripts/make-device made; PAYLOAD a disk with the unpacked image, mounted read-only there. systemd runs its program
there, with the image as root folder, as a user without rights: a runtime of containers does the same. TIMEOUT_FACTOR
multiplies every time limit.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from device.device import DeviceError
from device.emulator import Emulator
from device.observer import Observer
from device.rig import ensure

_UNIT: Final = "image"
_STATE: Final = "/run/image-state"
_SOURCE: Final = "scripted:happy=20,none=30?seed=1&loop=1"
"""Slow scenes: the emulated processor processes a frame or two a second."""

_PROPERTIES: Final = (
    "RootDirectory=/mnt",
    "MountAPIVFS=yes",
    "User=8377",
    "Group=44",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "TemporaryFileSystem=/tmp",
    f"BindPaths={_STATE}:/var/lib/emotion-edge",
)


class _Rig:
    """The emulated board, the observer of its messages, and the environment of the image."""

    def __init__(self, device: Emulator, observer: Observer) -> None:
        self.device, self.observer = device, observer
        self._environment = {
            "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
            "container": "oci",
            "STATE_DIRECTORY": "/var/lib/emotion-edge",
            "EMOTION_EDGE_CONFIG": "/etc/emotion-edge/config.toml",
            "EMOTION_EDGE_PREVIEW_PROBES": "true",
            "EMOTION_EDGE_SOURCE_URI": _SOURCE,
            "EMOTION_EDGE_MQTT_URL": f"mqtt://{device.host}:{observer.broker.port}",
            "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000",
            "EMOTION_EDGE_TRACKER_LOST_SECONDS": "10",
            "EMOTION_EDGE_DETECTOR_MIN_FACE": "0.3",
        }

    def command(self, *options: str, program: Sequence[str]) -> str:
        """Return the command that runs a program of the image."""
        settings = [f"--property='{one}'" for one in _PROPERTIES]
        settings += [f"--setenv='{key}={value}'" for key, value in self._environment.items()]
        return " ".join(["systemd-run", "--quiet", *options, *settings, *program])

    def run(self, *arguments: str, seconds: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run the image's entry point to its end."""
        program = ("/usr/lib/emotion-edge/start", *arguments)
        return self.device.run(self.command("--wait", "--pipe", program=program), seconds)


def checks_itself(rig: _Rig) -> str:
    """The board boots, and `doctor` of the image finds everything in order."""
    rig.device.start()
    rig.device.run_checked(f"mount -o ro /dev/vdb /mnt && mkdir -p {_STATE} && chown 8377:44 {_STATE}")
    # systemd looks the number up on the board, not in the image.
    rig.device.run_checked("echo image:x:8377:44::/:/usr/sbin/nologin >>/etc/passwd")
    done = rig.run("doctor")
    lines = (done.stdout + done.stderr).strip().splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    ensure(done.returncode == 0 and not failed, f"exit code {done.returncode}: {failed or lines[-3:]}")
    return next(line for line in lines if line.split()[1:2] == ["model"])


def publishes(rig: _Rig) -> str:
    """Events of the actor arrive, and the image's health check passes."""
    since = rig.observer.position
    options = (f"--unit={_UNIT}", "--property=KillSignal=SIGTERM", "--remain-after-exit")
    rig.device.run_checked(rig.command(*options, program=("/usr/lib/emotion-edge/start", "run")))
    wanted = {"face_appeared", "face_left"}
    seconds = rig.device.wait(
        "a face appears and leaves", 240, lambda: wanted <= {event["type"] for event in rig.observer.events(since)}
    )
    enter = f"nsenter --target=$(systemctl show --value -p MainPID {_UNIT}) --mount --root"
    rig.device.run_checked(f"{enter} /usr/bin/emotion-edge-healthcheck", 120)
    health = rig.observer.last("health", since)
    return f"after {seconds:.0f} s, {health['fps']:.1f} frames per second, healthy"


def is_confined(rig: _Rig) -> str:
    """It runs without root and without capabilities, and its root cannot be written."""
    pid = rig.device.run_checked(f"systemctl show --value -p MainPID {_UNIT}").strip()
    status = dict(
        line.split(":\t", 1) for line in rig.device.run_checked(f"cat /proc/{pid}/status").splitlines() if ":\t" in line
    )
    ensure(status["Uid"].split()[0] == "8377", f"its user is {status['Uid']}")
    ensure(int(status["CapBnd"], 16) == 0, f"its capabilities are {status['CapBnd']}")
    touched = rig.device.run(f"nsenter --target={pid} --mount --root touch /usr/written")
    ensure("Read-only file system" in touched.stderr, f"writing into its root: {touched.stderr or 'it can'}")
    return "user 8377, no capability, read-only"


def stops(rig: _Rig) -> str:
    """SIGTERM ends it with exit code 0 and the status `stopped`."""
    since = rig.observer.position
    began = time.monotonic()
    rig.device.run_checked(f"systemctl kill --signal=TERM {_UNIT}")
    rig.device.wait("the status stopped", 60, lambda: rig.observer.status_seen("stopped", since))
    rig.device.wait(
        "the end", 60, lambda: rig.device.run_checked(f"systemctl show --value -p SubState {_UNIT}").strip() == "exited"
    )
    code = rig.device.run_checked(f"systemctl show --value -p ExecMainStatus {_UNIT}").strip()
    ensure(code == "0", f"exit code {code}")
    return f"exit code 0 after {time.monotonic() - began:.0f} s"


def refuses_ribbon_cameras(rig: _Rig) -> str:
    """picamera: is refused with one sentence."""
    done = rig.run("run", "--source", "picamera:0", "--max-frames", "1")
    said = [line for line in (done.stdout + done.stderr).splitlines() if "do not work in a container" in line]
    ensure(said and done.returncode != 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    return f"exit code {done.returncode}: {said[0]}"


CHECKS: Final[Sequence[Callable[[_Rig], str]]] = (checks_itself, publishes, is_confined, stops, refuses_ribbon_cameras)


def main(image: Path, payload: Path, scratch: Path) -> int:
    """Run all checks; return the exit code."""
    began = time.monotonic()
    device = Emulator(image, payload, scratch, float(os.environ.get("TIMEOUT_FACTOR", "1")))
    with contextlib.closing(device), Observer(scratch) as observer:
        rig = _Rig(device, observer)
        for check in CHECKS:
            started = time.monotonic()
            try:
                said = check(rig)
            except (DeviceError, subprocess.SubprocessError) as error:
                print(f"FAIL  {check.__name__:24} {error}", flush=True)  # noqa: T201 - it prints
                print(device.run(f"journalctl -q --no-pager -n 40 -u {_UNIT}").stdout, flush=True)  # noqa: T201
                return 1
            print(f"ok    {check.__name__:24} {time.monotonic() - started:4.0f} s  {said}", flush=True)  # noqa: T201
    print(f"All {len(CHECKS)} checks passed in {time.monotonic() - began:.0f} s")  # noqa: T201 - it prints
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
