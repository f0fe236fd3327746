"""Runs many sensors in a few processes, and collects what they report."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

import msgspec

from support.program import environment

from .publishers import Options, Report

PROCESSES: Final = 4
"""For a large fleet: each process has 1,000 threads then, and its own lock of the interpreter."""

_END_SECONDS: Final = 300.0


class Publishing:
    """`sensors` sensors, each with `events` events, together `per_second`; a context manager that ends them.

    `urls`: addresses of the broker's nodes. `folder`: for outboxes and logs.
    """

    def __init__(self, urls: list[str], folder: Path, *, sensors: int, events: int, per_second: float) -> None:
        processes = PROCESSES if sensors >= 100 * PROCESSES else 1
        self.expected = sensors * events
        """Events in all."""
        folder.mkdir(parents=True)
        outboxes = folder / "outboxes"
        outboxes.mkdir()
        self._log = folder / "log"
        self._processes: list[subprocess.Popen[str]] = []
        bounds = [sensors * number // processes for number in range(processes + 1)]
        self._options = [
            Options(first, last - first, urls, str(outboxes), events, per_second / processes)
            for first, last in itertools.pairwise(bounds)
        ]

    def __enter__(self) -> Self:
        """Start the sensors, and return once each has tried to connect."""
        with self._log.open("ab") as log:
            self._processes = [
                subprocess.Popen(
                    [sys.executable, "-m", "fleet.publishers", msgspec.json.encode(options).decode()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=environment(),
                    start_new_session=True,
                )
                for options in self._options
            ]
        for process in self._processes:
            self._expect(process, "started")
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def go(self) -> None:
        """Let the events begin."""
        for process in self._processes:
            self._write(process, "go")

    def enough(self) -> None:
        """End the events, also where not all have been decided."""
        for process in self._processes:
            self._write(process, "enough")
        self.wait_until_decided()

    def wait_until_decided(self) -> None:
        """Wait until each sensor has decided all its events."""
        for process in self._processes:
            self._expect(process, "decided")

    def finish(self) -> Report:
        """Stop the sensors cleanly; returns the reports of all processes as one."""
        for process in self._processes:
            self._write(process, "finish")
        reports = []
        for process in self._processes:
            out, _ = process.communicate(timeout=_END_SECONDS)
            assert process.returncode == 0, self._failure(process)
            reports.append(msgspec.convert(json.loads(out), Report))
        return Report(
            {boot: last for report in reports for boot, last in report.decided.items()},
            {boot: device for report in reports for boot, device in report.devices.items()},
            sorted(moment for report in reports for moment in report.attempts),
            sum(report.left for report in reports),
            sum(report.dropped for report in reports),
            sum(report.threads for report in reports),
        )

    @property
    def log(self) -> str:
        """What the sensors have logged."""
        return self._log.read_text()

    def _expect(self, process: subprocess.Popen[str], word: str) -> None:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == word, self._failure(process)

    def _failure(self, process: subprocess.Popen[str]) -> str:
        tail = "\n".join(self.log.splitlines()[-20:])
        return f"a process of sensors has ended with {process.poll()}:\n{tail}"

    def _write(self, process: subprocess.Popen[str], word: str) -> None:
        assert process.stdin is not None
        process.stdin.write(word + "\n")
        process.stdin.flush()
