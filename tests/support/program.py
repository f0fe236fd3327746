"""Runs the real program as a person or a service manager would: as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

COMMAND = (sys.executable, "-m", "edge.cli")
TIMEOUT_SECONDS = 120.0


def environment(**changes: str) -> dict[str, str]:
    """This process' environment without anything that configures the program."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EMOTION_EDGE_")}
    return kept | changes


def start(*arguments: object, **changes: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(**changes),
    )


def kill(process: "subprocess.Popen[Any]") -> None:
    """End it, whatever it does, where it has not ended."""
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
    """Events that `run` writes as JSON Lines where no broker is configured."""
    result = run("run", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


_DIFFER = ("id", "boot_id", "time", "latency_ms")


def comparable(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without the times and ids that must differ between two runs."""
    return [{key: value for key, value in event.items() if key not in _DIFFER} for event in events]


def happened(events: Sequence[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(event["type"], event["face"]["track"], event["emotion"]) for event in events]
