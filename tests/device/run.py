"""Runs the checks on the emulated device and prints one line for each. scripts/test-device prepares its inputs.

python -m device.run IMAGE PAYLOAD SCRATCH, with tests on PYTHONPATH. IMAGE is the folder of an emulated device that
scripts/make-device made, or the root folder of a container. TIMEOUT_FACTOR multiplies every time limit, because the
limits are for an idle machine of two processors. DEVICE_TEST_SKIP names checks to leave out.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from . import failing, fleet, installing, light, packages, place, ribbon
from .container import Container
from .device import Device, DeviceError
from .emulator import Emulator
from .observer import Observer
from .rig import UNIT, Rig

Check = Callable[[Rig], str]
ON_EMULATOR: Final[Sequence[Check]] = (
    installing.boots,
    installing.plays,
    packages.installs,
    ribbon.picamera,
    installing.starts,
    installing.sees,
    place.settings,
    place.summaries,
    fleet.follows,
    light.light,
    failing.killed,
    failing.hung,
    failing.unplugged,
    failing.power_cut,
    failing.power_cut_alone,
    installing.checks,
    packages.refuses,
    packages.upgrades,
    packages.rolls_back,
    packages.repairs,
    packages.instances,
    failing.complete,
    packages.removes,
    packages.purges,
    packages.shuts_down,
)
IN_CONTAINER: Final[Sequence[Check]] = (
    installing.boots,
    packages.installs,
    installing.starts,
    installing.sees,
    fleet.follows,
    installing.checks,
    packages.refuses,
    packages.upgrades,
    packages.rolls_back,
    packages.repairs,
    packages.goes_back,
    packages.repairs,
    packages.sees_picamera2,
    packages.instances,
    packages.removes,
    packages.installs_again,
    failing.complete,
    packages.purges,
    packages.takes_over,
    packages.shuts_down,
)
_TAIL_LINES: Final = 60


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _selected(checks: Sequence[Check], skipped: Sequence[str]) -> list[Check]:
    """Return the checks without those that are skipped. Exits where there is none of a name."""
    names = [check.__name__ for check in checks]
    for name in skipped:
        if name not in names:
            sys.exit(f"DEVICE_TEST_SKIP names '{name}', but there are only these checks: {' '.join(names)}")
    return [check for check in checks if check.__name__ not in skipped]


def _print_diagnostics(device: Device) -> None:
    """Print the end of the journal and of the device's console."""
    with contextlib.suppress(DeviceError, subprocess.SubprocessError):
        _print(
            device.run_checked(
                f"journalctl -q --no-pager -n {_TAIL_LINES} -u '{UNIT}*' -u actor; systemctl status {UNIT} || true"
            )
        )
    if device.console.exists():
        _print("The end of the console:")
        _print("\n".join(device.console.read_text(errors="replace").splitlines()[-_TAIL_LINES // 2 :]))


def main(image: Path, payload: Path, scratch: Path) -> int:
    """Run the checks; returns 0 where all have passed, and 1 at the first that fails."""
    in_container = (image / "etc").is_dir()
    checks = _selected(IN_CONTAINER if in_container else ON_EMULATOR, os.environ.get("DEVICE_TEST_SKIP", "").split())
    # The emulator must not outlive this process. A shell starts background processes with SIGINT ignored, and the
    # programs started here would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    kind = Container if in_container else Emulator
    device = kind(image, payload, scratch, float(os.environ.get("TIMEOUT_FACTOR", "1")))
    began = time.monotonic()
    with contextlib.closing(device), Observer(scratch) as observer:
        rig = Rig(device, observer)
        for check in checks:
            started = time.monotonic()
            title = (check.__doc__ or check.__name__).rstrip(".")
            try:
                remark = check(rig)
            except (DeviceError, AssertionError, subprocess.SubprocessError) as error:
                _print(f"FAIL  {time.monotonic() - started:6.0f} s  {title}: {error}")
                _print_diagnostics(device)
                return 1
            _print(f"ok    {time.monotonic() - started:6.0f} s  {title}: {remark}")
    _print(f"{len(checks)} passed, 0 failed")
    _print(f"in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
