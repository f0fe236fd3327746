"""Runs the checks on the emulated device, one line each. scripts/test-device prepares what it needs.

python -m device.run IMAGE PAYLOAD SCRATCH, with tests on PYTHONPATH. TIMEOUT_FACTOR multiplies every limit
of time, which are for an idle machine of two processors.
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

from . import failing, installing, ribbon
from .bench import UNIT, Bench
from .emulator import DeviceError, Emulator
from .outside import Outside

CHECKS: Final[Sequence[Callable[[Bench], str]]] = (
    installing.boots,
    installing.plays,
    installing.installs,
    ribbon.picamera,
    installing.starts,
    installing.sees,
    failing.killed,
    failing.hung,
    failing.unplugged,
    failing.power_cut,
    failing.power_cut_alone,
    installing.upgrades,
    failing.complete,
    installing.uninstalls,
    installing.purges,
)
_TAIL_LINES: Final = 60


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _show_why(device: Emulator) -> None:
    """Print the journal's tail, and what the device wrote to its console."""
    with contextlib.suppress(DeviceError, subprocess.SubprocessError):
        _say(
            device.tell(
                f"journalctl -q --no-pager -n {_TAIL_LINES} -u {UNIT} -u actor; systemctl status {UNIT} || true"
            )
        )
    if device.console.exists():
        _say("The end of the console:")
        _say("\n".join(device.console.read_text(errors="replace").splitlines()[-_TAIL_LINES // 2 :]))


def main(image: Path, payload: Path, scratch: Path) -> int:
    """Run all checks; returns 0 where all have passed, and ends at the first that has not."""
    # The emulator must not outlive this process, however it is ended. A shell starts what runs in its background
    # with SIGINT ignored, which the programs started here would inherit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    device = Emulator(image, payload, scratch, float(os.environ.get("TIMEOUT_FACTOR", "1")))
    began = time.monotonic()
    with contextlib.closing(device), Outside(scratch) as outside:
        bench = Bench(device, outside)
        for check in CHECKS:
            started = time.monotonic()
            title = (check.__doc__ or check.__name__).rstrip(".")
            try:
                remark = check(bench)
            except (DeviceError, AssertionError, subprocess.SubprocessError) as error:
                _say(f"FAIL  {time.monotonic() - started:6.0f} s  {title}: {error}")
                _show_why(device)
                return 1
            _say(f"ok    {time.monotonic() - started:6.0f} s  {title}: {remark}")
    _say(f"{len(CHECKS)} passed, 0 failed")
    _say(f"in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
