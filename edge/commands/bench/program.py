"""The real program in processes of its own: how long its start takes, and what a whole run costs."""

import contextlib
import os
import resource
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
from edge.errors import EdgeError

PATIENCE_SECONDS: Final = 20.0
"""How long a start waits for an event; a scene without a face has none."""
_READY: Final = b"READY=1"
"""What the daemon tells a service manager once its source is open, its model loaded and its sink started."""
_STOP_SECONDS: Final = 10.0
_DATAGRAM_BYTES: Final = 4096
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process; None where it did not come."""

    ready: float | None
    first_event: float | None


class _Marks:
    """Reads a process' two streams and what it tells its manager in threads, and notes when each came."""

    def __init__(self, process: "subprocess.Popen[str]", manager: socket.socket, began: float) -> None:
        self._began = began
        self.ready: float | None = None
        self.first_event: float | None = None
        self.complaint = ""
        self.seen = threading.Event()
        self._threads = [
            threading.Thread(target=self._errors, args=(process.stderr,), daemon=True),
            threading.Thread(target=self._events, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._told, args=(manager,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _errors(self, stream: Iterable[str] | None) -> None:
        for line in stream or ():
            self.complaint = line.strip() or self.complaint

    def _told(self, manager: socket.socket) -> None:
        with contextlib.suppress(TimeoutError):
            while self.ready is None:
                if _READY in manager.recv(_DATAGRAM_BYTES).split(b"\n"):
                    self.ready = time.perf_counter() - self._began

    def _events(self, stream: Iterable[str] | None) -> None:
        for _ in stream or ():
            if self.first_event is None:
                self.first_event = time.perf_counter() - self._began
                self.seen.set()
        self.seen.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_STOP_SECONDS)


class Programs:
    """Starts `emotion-edge run` on a source with the configuration of this process, but without a broker."""

    def __init__(self, source: str, config_file: Path | None) -> None:
        self._command = [sys.executable, "-m", "edge.cli", "run", "--source", source]
        if config_file is not None:
            self._command += ["--config", str(config_file)]
        self._environment = os.environ | {"EMOTION_EDGE_MQTT_URL": ""}

    def measure(self, starts: int, frames: int, progress: Callable[[str], None]) -> Program:
        """Start it some times, then run it over `frames` frames. Raises EdgeError where it fails."""
        taken = []
        for number in range(starts):
            progress(f"start {number + 1} of {starts}")
            taken.append(self._start())
        progress(f"the whole program over {frames} frames")
        first_ms, _ = self._run(1)
        all_ms, peak_mb = self._run(frames)
        return Program(
            ready_seconds=[round(start.ready, 3) for start in taken if start.ready is not None],
            first_event_seconds=[None if start.first_event is None else round(start.first_event, 3) for start in taken],
            patience_seconds=PATIENCE_SECONDS,
            frames=frames,
            cpu_ms_per_frame=round(max(0.0, all_ms - first_ms) / max(1, frames - 1), 3),
            peak_resident_mb=None if peak_mb is None else round(peak_mb, 1),
        )

    def _start(self) -> Start:
        """Start it in real time, and end it at its first event."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            # A name of the abstract namespace, which Linux chooses and forgets with the socket.
            manager.bind("")
            manager.settimeout(PATIENCE_SECONDS)
            address = "@" + manager.getsockname()[1:].decode()
            began = time.perf_counter()
            process = self._popen([], subprocess.PIPE, {"NOTIFY_SOCKET": address})
            marks = _Marks(process, manager, began)
            try:
                marks.seen.wait(PATIENCE_SECONDS)
            finally:
                _end(process)
                marks.join()
                _close(process)
        if marks.ready is None:
            raise EdgeError(f"the program itself did not start: {marks.complaint or 'it said nothing'}")
        return Start(marks.ready, marks.first_event)

    def _run(self, frames: int) -> tuple[float, float | None]:
        """Run it over so many frames; returns its processor time (ms) and most resident memory (MB)."""
        before = _children_cpu_ms()
        process = self._popen(["--fast", "--max-frames", str(frames), "--log-level", "warning"], subprocess.DEVNULL)
        peak_mb = None
        try:
            while process.poll() is None:
                peak_mb = _peak_mb(process.pid) or peak_mb
                time.sleep(_POLL_SECONDS)
            complaint = process.stderr.read().strip() if process.stderr is not None else ""
        finally:
            _end(process)
            _close(process)
        if process.returncode:
            raise EdgeError(f"the program itself ended with code {process.returncode}: {complaint or 'without a word'}")
        return _children_cpu_ms() - before, peak_mb

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


def _children_cpu_ms() -> float:
    """Processor time of all children that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def _peak_mb(pid: int) -> float | None:
    """Most memory that was resident so far, of 1024 * 1024 bytes.

    From /proc, because the figure that wait4 gives begins with that of the process which forked.
    """
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _close(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
