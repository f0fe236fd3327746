"""Runs the real program as a person or a service manager does: as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

COMMAND = (sys.executable, "-m", "edge.cli")
TIMEOUT_SECONDS = 120.0


def environment(**changes: str) -> dict[str, str]:
    """Return this process' environment without the variables that configure the program."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EMOTION_EDGE_")}
    return kept | changes


def start(*arguments: object, inside: Sequence[str] = (), **changes: str) -> "subprocess.Popen[str]":
    """Start the program. `inside`: a command that ends in executing what follows it."""
    return subprocess.Popen(
        [*inside, *COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(**changes),
    )


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process that has not ended."""
    if process.poll() is None:
        process.kill()
        process.communicate()


def run(*arguments: object, **changes: str) -> "subprocess.CompletedProcess[str]":
    with start(*arguments, **changes) as process:
        try:
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def events_of(*arguments: object, **environment: str) -> list[dict[str, Any]]:
    """Return the events that `run` writes as JSON Lines without a broker."""
    result = run("run", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


_DIFFERENT_PER_RUN = ("id", "boot_id", "time", "latency_ms", "time_corrected", "clock_synchronised")


def comparable(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without the times and ids that differ between two runs."""
    return [{key: value for key, value in event.items() if key not in _DIFFERENT_PER_RUN} for event in events]


def happened(events: Sequence[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(event["type"], event["face"]["track"], event["emotion"]) for event in events]
