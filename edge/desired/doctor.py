"""Runs `emotion-edge doctor` on a configuration that is not in force yet, in a process of its own.

A model that ends the process that loads it, or takes all memory, must not do so to the sensor.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.config.desired_schema import DesiredConfig
from edge.config.schema import Config
from edge.desired.errors import FetchError, UnfitError

_LIMIT_SECONDS: Final = 180.0
"""Time limit: the checks take 2 s on one x86-64 core, and forty times as long on a small board that swaps."""
_POLL_SECONDS: Final = 0.1
_NICENESS: Final = 10
"""The sensor has frames to process meanwhile."""
MODEL_CHECKS: Final = ("interpreter", "model")
DETECTOR_CHECKS: Final = ("cascade", "detector")
"""Checks that need no camera, no broker and no rights."""


def run_doctor(
    config_file: Path,
    checks: tuple[str, ...],
    interrupted: Callable[[], bool] = lambda: False,
    limit_seconds: float = _LIMIT_SECONDS,
) -> None:
    """Check a configuration. Raises UnfitError with the line of the check that fails, FetchError when interrupted."""
    command = [sys.executable, "-m", "edge.cli", "doctor", "--config", str(config_file), "--only", ",".join(checks)]
    with subprocess.Popen(  # noqa: S603 - this program itself
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(os.environ),
    ) as process:
        _yield_to_others(process.pid)
        deadline = time.monotonic() + limit_seconds
        out: str | None = None
        while out is None:
            try:
                out, _ = process.communicate(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if interrupted() or time.monotonic() > deadline:
                    process.kill()
                    process.communicate()
                    break
    if out is None and interrupted():
        raise FetchError("the check was given up: the sensor stops")
    if out is None:
        raise UnfitError(f"doctor did not end within {limit_seconds:g} s")
    if process.returncode == 0:
        return
    failures = [line.removeprefix("FAIL").strip() for line in out.splitlines() if line.startswith("FAIL")]
    if failures:
        check, _, sentence = failures[0].partition(" ")
        raise UnfitError(f"doctor, check {check}: {sentence.strip()}")
    last = next((line.strip() for line in reversed(out.splitlines()) if line.strip()), "it said nothing")
    how = f"signal {-process.returncode}" if process.returncode < 0 else f"code {process.returncode}"
    raise UnfitError(f"doctor ended with {how}: {last}")


def _yield_to_others(pid: int) -> None:
    """Let a process wait for others. The service may set a policy and no niceness (systemd/emotion-edge.service)."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)


def as_toml(config: Config) -> str:
    """Return a configuration as TOML, for the check: without following documents itself."""
    lines: list[str] = []
    tables: dict[str, dict[str, Any]] = msgspec.to_builtins(msgspec.structs.replace(config, desired=DesiredConfig()))
    for table, keys in tables.items():
        lines.append(f"[{table}]")
        # A JSON string, number, boolean or list is also a TOML one; TOML has no null.
        lines += [
            f"{msgspec.json.encode(key).decode()} = {msgspec.json.encode(value).decode()}"
            for key, value in keys.items()
            if value is not None
        ]
    return "\n".join(lines) + "\n"


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would set keys of the configuration."""
    return {name: value for name, value in environ.items() if not name.startswith("EMOTION_EDGE_")}
