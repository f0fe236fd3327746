"""Measures `emotion-edge run` as processes of their own: time to start, and cost of a whole run."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.commands.bench.report import Program
from edge.commands.child_process import children_cpu_ms, close_pipes, end_process, peak_resident_mb
from edge.errors import EdgeError

FIRST_EVENT_TIMEOUT_SECONDS: Final = 20.0
"""How long to wait for the first event; a scene without a face has none."""
_READY: Final = b"READY=1"
"""State that the daemon sends to a service manager once its source is open, its model loaded and its sink started."""
_STOP_SECONDS: Final = 10.0
_DATAGRAM_BYTES: Final = 4096
_WAIT_SECONDS: Final = 1.0
"""Time between two lines of progress while the first event is waited for."""
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class StartTimes:
    """Seconds from the start of the process until it is ready and until its first event; None where that was not."""

    ready: float | None
    first_event: float | None


class _StartMonitor:
    """Reads a process' output and its messages to the service manager, in threads, and notes when they arrive."""

    def __init__(self, process: "subprocess.Popen[str]", manager: socket.socket, began: float) -> None:
        self._began = began
        self.ready: float | None = None
        self.first_event: float | None = None
        self.last_error = ""
        self.event_or_end = threading.Event()
        self._threads = [
            threading.Thread(target=self._read_stderr, args=(process.stderr,), daemon=True),
            threading.Thread(target=self._read_stdout, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_notifications, args=(manager,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_stderr(self, stream: Iterable[str] | None) -> None:
        for line in stream or ():
            self.last_error = line.strip() or self.last_error

    def _read_notifications(self, manager: socket.socket) -> None:
        with contextlib.suppress(TimeoutError):
            while self.ready is None:
                if _READY in manager.recv(_DATAGRAM_BYTES).split(b"\n"):
                    self.ready = time.perf_counter() - self._began

    def _read_stdout(self, stream: Iterable[str] | None) -> None:
        for _ in stream or ():
            if self.first_event is None:
                self.first_event = time.perf_counter() - self._began
                self.event_or_end.set()
        self.event_or_end.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_STOP_SECONDS)


class ProgramRuns:
    """Runs `emotion-edge run` on a source with the configuration of this process, but without a broker."""

    def __init__(self, source: str, config_file: Path | None) -> None:
        self._command = [sys.executable, "-m", "edge.cli", "run"]
        if config_file is not None:
            self._command += ["--config", str(config_file)]
        # Not as an argument: every user of the machine may read those, and an address may hold a password.
        self._environment = os.environ | {"EMOTION_EDGE_MQTT_URL": "", "EMOTION_EDGE_SOURCE_URI": source}

    def measure(self, starts: int, frames: int, progress: Callable[[str], None]) -> Program:
        """Start the program `starts` times, then run it over `frames` frames. Raises EdgeError where a run fails."""
        start_times = []
        for number in range(starts):
            progress(f"start {number + 1} of {starts}")
            start_times.append(self._start(progress))
        progress(f"the whole program over {frames} frames")
        first_ms, _ = self._run(1, progress)
        all_ms, peak_mb = self._run(frames, progress)
        return Program(
            ready_seconds=[round(start.ready, 3) for start in start_times if start.ready is not None],
            first_event_seconds=[
                None if start.first_event is None else round(start.first_event, 3) for start in start_times
            ],
            patience_seconds=FIRST_EVENT_TIMEOUT_SECONDS,
            frames=frames,
            cpu_ms_per_frame=round(max(0.0, all_ms - first_ms) / max(1, frames - 1), 3),
            peak_resident_mb=None if peak_mb is None else round(peak_mb, 1),
        )

    def _start(self, progress: Callable[[str], None]) -> StartTimes:
        """Start the program in real time, and end it at its first event."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            # An empty name: Linux chooses one in the abstract namespace, which vanishes with the socket.
            manager.bind("")
            manager.settimeout(FIRST_EVENT_TIMEOUT_SECONDS)
            address = "@" + manager.getsockname()[1:].decode()
            began = time.perf_counter()
            process = self._popen([], subprocess.PIPE, {"NOTIFY_SOCKET": address})
            monitor = _StartMonitor(process, manager, began)
            try:
                while (waited := time.perf_counter() - began) < FIRST_EVENT_TIMEOUT_SECONDS:
                    progress(f"waiting for the first event of the program, {waited:.0f} s")
                    if monitor.event_or_end.wait(min(_WAIT_SECONDS, FIRST_EVENT_TIMEOUT_SECONDS - waited)):
                        break
            finally:
                end_process(process, _STOP_SECONDS)
                monitor.join()
                close_pipes(process)
        if monitor.ready is None:
            raise EdgeError(f"the program itself did not start: {monitor.last_error or 'no message'}")
        return StartTimes(monitor.ready, monitor.first_event)

    def _run(self, frames: int, progress: Callable[[str], None]) -> tuple[float, float | None]:
        """Run the program over `frames` frames; returns its processor time (ms) and peak resident memory (MB)."""
        before, began = children_cpu_ms(), time.perf_counter()
        process = self._popen(["--fast", "--max-frames", str(frames), "--log-level", "warning"], subprocess.DEVNULL)
        peak_mb = None
        try:
            while process.poll() is None:
                peak_mb = peak_resident_mb(process.pid) or peak_mb
                progress(f"the whole program over {frames} frame(s), {time.perf_counter() - began:.0f} s")
                time.sleep(_POLL_SECONDS)
            error_text = process.stderr.read().strip() if process.stderr is not None else ""
        finally:
            end_process(process, _STOP_SECONDS)
            close_pipes(process)
        if process.returncode:
            raise EdgeError(f"the program itself ended with code {process.returncode}: {error_text or 'no message'}")
        return children_cpu_ms() - before, peak_mb

    def _popen(
        self, arguments: list[str], stdout: int, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603 - this program itself
            self._command + arguments,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment | dict(environment or {}),
        )
