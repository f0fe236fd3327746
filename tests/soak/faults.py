"""The kinds of fault of camera, process, disk, clock and memory, and the list of all kinds."""

import contextlib
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from . import broker_faults
from .broker import wait_for
from .stage import SETTLE_SECONDS, SkippedError, Stage

_MEGABYTE: Final = 1 << 20
_MEMORY_ROOM_BYTES: Final = 2 * _MEGABYTE
_AFTERMATH_SECONDS: Final = 2.0
"""By then a process that had too little memory has ended, and said why."""
_DAY_SECONDS: Final = 86_400


def camera_stalled(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """The connection stands, and no picture comes."""
    stage.camera.mode = "stalled"
    stage.hold(seconds)
    stage.camera.mode = "ok"
    return ""


def camera_garbage(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """Noise and cut pictures in the place of pictures."""
    stage.camera.mode = "garbage"
    stage.hold(seconds)
    stage.camera.mode = "ok"
    return ""


def camera_resized(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """The pictures become smaller, and then larger again."""
    stage.camera.mode = "resized"
    stage.hold(seconds)
    stage.camera.mode = "ok"
    return ""


def camera_gone(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """The port is closed, and the connection."""
    stage.camera.go()
    stage.hold(seconds)
    stage.camera.come_back()
    return ""


def sensor_killed(stage: Stage, _rng: random.Random, _seconds: float) -> str:
    """SIGKILL; it is started again, as systemd does."""
    if not stage.sensor.kill():
        return "there was no process"
    wait_for(stage.sensor.ready.is_set, SETTLE_SECONDS)
    return ""


def sensor_frozen(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """SIGSTOP, and SIGCONT later."""
    if not stage.sensor.freeze():
        return "there was no process"
    try:
        stage.hold(seconds)
    finally:
        stage.sensor.thaw()
    return ""


def disk_full(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """No room for another byte in the state folder."""
    if not stage.mounted:
        return _with_limit(stage, resource.RLIMIT_FSIZE, 0, seconds, "RLIMIT_FSIZE 0")
    filler = stage.state / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 512)
    stage.expose_outbox()  # what is decided from here on may stay in memory
    try:
        stage.hold(seconds)
    finally:
        stage.expose_outbox()
        filler.unlink()
    return ""


def disk_read_only(stage: Stage, rng: random.Random, seconds: float) -> str:
    """The sensor starts on a state folder that is read-only, as after an error of the file system."""
    if not stage.mounted and os.geteuid() == 0:
        raise SkippedError("root may write to a folder that is read-only, and the state folder is no mount")
    kill = rng.random() < 0.5
    (stage.sensor.kill_and_hold if kill else stage.sensor.stop)()
    stage.expose_outbox()
    _set_read_only(stage, read_only=True)
    try:
        stage.sensor.resume()
        stage.hold(seconds)
        # Also what this start decides.
        wait_for(stage.sensor.ready.is_set, SETTLE_SECONDS)
        stage.expose_outbox()
    finally:
        _set_read_only(stage, read_only=False)
    return "after SIGKILL" if kill else "after SIGTERM"


def _set_read_only(stage: Stage, *, read_only: bool) -> None:
    if stage.mounted:
        command = ["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(stage.state)]
        wait_for(lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0, SETTLE_SECONDS)
        return
    for path in (stage.state, *stage.state.iterdir()):
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222 if read_only else mode | 0o200)


def disk_corrupted(stage: Stage, rng: random.Random, _seconds: float) -> str:
    """The file of the outbox is overwritten, cut off or removed while the sensor has it open."""
    files = [file for file in stage.state.glob("outbox-*.sqlite3*") if ".bad-" not in file.name and file.is_file()]
    if not files:
        return "there was no file"
    stage.expose_outbox()
    file = rng.choice(sorted(files))
    how = rng.choice(["overwritten", "cut off", "removed"])
    size = file.stat().st_size
    if how == "removed":
        file.unlink()
    else:
        with file.open("r+b") as stream:
            if how == "cut off":
                stream.truncate(size // 2)
            else:
                stream.seek(rng.randrange(max(1, size)))
                stream.write(rng.randbytes(4096))
    for old in stage.state.glob("*.bad-*"):  # the sensor keeps a few; on this small disk they would fill it
        old.unlink(missing_ok=True)
    return f"{file.name} {how}"


def _with_limit(stage: Stage, limit: int, value: int, seconds: float, text: str) -> str:
    pid = stage.sensor.pid
    if pid is None:
        return "there was no process"
    try:
        _, hard = resource.prlimit(pid, limit)
        resource.prlimit(pid, limit, (value, hard))
    except (OSError, ValueError) as error:
        raise SkippedError(f"prlimit: {error}") from error
    try:
        stage.hold(seconds)
    finally:
        with contextlib.suppress(OSError):  # the process may have ended
            resource.prlimit(pid, limit, (hard, hard))
    return text


def memory_short(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """The process gets no more memory than it has (RLIMIT_AS)."""
    pid = stage.sensor.pid
    if pid is None:
        return "there was no process"
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    except OSError:
        return "there was no process"
    limit = pages * resource.getpagesize() + _MEMORY_ROOM_BYTES
    start = stage.sensor.log_size()
    try:
        return _with_limit(stage, resource.RLIMIT_AS, limit, seconds, f"RLIMIT_AS {limit // _MEGABYTE} MB")
    finally:
        stage.hold(_AFTERMATH_SECONDS)
        stage.memory_log.append((start, stage.sensor.log_size()))


def _set_clock(stage: Stage, offset_seconds: int, seconds: float) -> str:
    if stage.clock_file is None:
        raise SkippedError("libfaketime is not installed (Debian: apt install faketime)")
    stage.clock_file.write_text(f"{offset_seconds:+d}\n")
    stage.hold(seconds)
    stage.clock_file.write_text("+0\n")
    return f"{offset_seconds:+d} s"


def clock_forward(stage: Stage, rng: random.Random, seconds: float) -> str:
    """The wall clock leaps forward, and back to the right time later."""
    return _set_clock(stage, rng.choice([3600, _DAY_SECONDS, 400 * _DAY_SECONDS]), seconds)


def clock_back(stage: Stage, rng: random.Random, seconds: float) -> str:
    """The wall clock leaps back, and to the right time later, as with NTP after a start without a clock."""
    return _set_clock(stage, -rng.choice([3600, _DAY_SECONDS, 9000 * _DAY_SECONDS]), seconds)


Fault = Callable[[Stage, random.Random, float], str]

LANES: Final[dict[str, Sequence[Fault]]] = {
    "broker": (
        broker_faults.broker_killed,
        broker_faults.broker_restarted,
        broker_faults.broker_not_authorised,
        broker_faults.broker_port_closed,
        broker_faults.broker_slow,
        broker_faults.broker_half_open,
        broker_faults.broker_small_packets,
        broker_faults.broker_without_retain,
        broker_faults.network_cut,
        broker_faults.network_delayed,
        broker_faults.network_reset,
    ),
    "camera": (camera_stalled, camera_gone, camera_garbage, camera_resized),
    "device": (
        sensor_killed,
        sensor_frozen,
        disk_full,
        disk_read_only,
        disk_corrupted,
        clock_forward,
        clock_back,
        memory_short,
    ),
}
"""Faults by lane: those of one lane come one after another, the lanes run beside each other."""

DURATION_SECONDS: Final[dict[str, tuple[float, float]]] = {
    "sensor_frozen": (2.0, 12.0),
    "broker_half_open": (2.0, 25.0),
}
USUAL_SECONDS: Final = (2.0, 10.0)


def can_mount(folder: Path, megabytes: int) -> str | None:
    """Mount a small file system of its own at `folder`; returns why not, None where it is mounted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "not root: no file system of its own for the state folder"
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "emotion-edge-soak", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return None if done.returncode == 0 else f"mount failed: {done.stderr.strip()}"
