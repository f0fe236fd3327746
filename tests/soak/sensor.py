"""Runs the sensor as systemd does: starts it again, feeds on its notifications, and looks at its process."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.mqtt.outbox.store import Store, StoreError

from .broker import LONGEST_TURN_SECONDS

WATCHDOG_SECONDS: Final = 30.0
"""As WatchdogSec in systemd/emotion-edge.service."""
_START_SECONDS: Final = 90.0
"""As TimeoutStartSec there."""
STOP_SECONDS: Final = 20.0
"""As TimeoutStopSec there."""
_RESTART_SECONDS: Final = 1.0
"""RestartSec is 5 there; a soak has less time."""
_POLL_SECONDS: Final = 0.1
_STDERR_TAIL: Final = 3


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the process uses: resident memory in megabytes, open file descriptors, threads."""

    pid: int
    resident_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process of the sensor ended.

    `expected`: this program ended it. `faults`: the kinds of fault that acted then. `last_lines`: of its log.
    """

    pid: int
    code: int
    expected: bool
    was_ready: bool
    faults: frozenset[str]
    last_lines: str


class Sensor:
    """The sensor as a service. `log` gets its standard error; `active` has the kinds of fault that act now.

    `note` gets a record for each start, end and breach. `ended` is called whenever a process has ended, with its end
    and the highest `seq` of each boot in the outbox on the disk.
    """

    def __init__(
        self,
        config: Path,
        state: Path,
        log: Path,
        environment: dict[str, str],
        note: Callable[..., None],
        ended: Callable[[Ended, dict[str, int]], None],
        active: set[str],
    ) -> None:
        self._command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config)]
        self._state = state
        self._log = log
        self._note = note
        self._when_ended = ended
        self._active = active
        self._folder = tempfile.TemporaryDirectory(prefix="emotion-edge-soak-")
        address = str(Path(self._folder.name, "notify"))
        self._environment = environment | {
            "STATE_DIRECTORY": str(state),
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6)),
        }
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(_POLL_SECONDS)
        self._process: subprocess.Popen[bytes] | None = None
        self._expected = False
        self._held = threading.Event()
        """Set: an ended process is not started again."""
        self._closing = threading.Event()
        self._started_monotonic = 0.0
        self._fed_monotonic = 0.0
        self._frozen = False
        self._log_start = 0
        self.ready = threading.Event()
        self.starts = 0
        self.longest_feed_seconds = 0.0
        self.stood_still_seconds = 0.0
        self.ends: list[Ended] = []
        self.breaches: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the process, and the thread that cares for it."""
        self._spawn()
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Process id; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self) -> bool:
        """End it with SIGKILL, as a power cut would; False where there was no process."""
        return self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM, and do not start it again until `resume`."""
        self._held.set()
        process = self._process
        if self._signal(signal.SIGTERM) and process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                return
            self._breach(f"the sensor did not end within {STOP_SECONDS:g} s of SIGTERM")
            self._signal(signal.SIGKILL)
            process.wait()

    def kill_and_hold(self) -> None:
        """End it with SIGKILL, and do not start it again until `resume`."""
        self._held.set()
        process = self._process
        if self._signal(signal.SIGKILL) and process is not None:
            process.wait()

    def resume(self) -> None:
        """Start it again."""
        self._held.clear()

    def freeze(self) -> bool:
        """Stop it with SIGSTOP; False where there was no process."""
        pid = self.pid
        if pid is None:
            return False
        self._frozen = True
        os.kill(pid, signal.SIGSTOP)
        return True

    def thaw(self) -> None:
        """Let it run again."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGCONT)
        self._fed_monotonic = time.monotonic()
        self._frozen = False

    def footprint(self) -> Footprint | None:
        """Return what the process uses; None while there is none."""
        pid = self.pid
        if pid is None:
            return None
        try:
            status = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
            )
            descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return None
        if "VmRSS" not in status:
            return None
        return Footprint(pid, int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"]))

    def outbox(self) -> dict[str, int]:
        """Return the highest `seq` of each boot in a copy of the outbox on the disk; {} where it cannot be read."""
        highest: dict[str, int] = {}
        with tempfile.TemporaryDirectory(prefix="emotion-edge-soak-") as folder:
            store = None
            try:
                for file in self._state.glob("outbox-*.sqlite3*"):
                    if file.is_file() and ".bad-" not in file.name:
                        shutil.copyfile(file, Path(folder, file.name))
                (copy,) = Path(folder).glob("*.sqlite3")
                store = Store(copy)
                for row in store.open():
                    highest[row.event.boot_id] = max(row.event.seq, highest.get(row.event.boot_id, 0))
            except (OSError, StoreError, ValueError):
                return {}
            finally:
                if store is not None:
                    store.close()
        return highest

    def log_size(self) -> int:
        """Return the length of its log in bytes."""
        return self._log.stat().st_size if self._log.exists() else 0

    def close(self) -> None:
        """End everything."""
        self._closing.set()
        self.kill_and_hold()
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()
        self._folder.cleanup()

    def _spawn(self) -> None:
        self.ready.clear()
        self._expected = False
        self.starts += 1
        self._log_start = self.log_size()
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=self._environment
            )
        self._started_monotonic = self._fed_monotonic = time.monotonic()
        self._note("sensor started", pid=self._process.pid)

    def _signal(self, number: int) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        self._expected = True
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            began = time.monotonic()
            self._listen()
            self._allow_for_stillness(time.monotonic() - began)
            process = self._process
            if process is not None and process.poll() is not None:
                self._ended(process)
                self._process = process = None
            if process is None and not self._held.is_set():
                self._closing.wait(_RESTART_SECONDS)
                if not self._closing.is_set() and not self._held.is_set():
                    self._spawn()
            elif process is not None:
                self._watch_over(process)

    def _allow_for_stillness(self, seconds: float) -> None:
        """Allow for a time in which this whole machine stood still, as a virtual machine that is paused does."""
        if seconds > LONGEST_TURN_SECONDS:
            self._note("this machine stood still", for_seconds=round(seconds, 1))
            self.stood_still_seconds += seconds
            self._fed_monotonic += seconds
            self._started_monotonic += seconds

    def _listen(self) -> None:
        try:
            message = self._socket.recv(4096).decode()
        except TimeoutError:
            return
        now = time.monotonic()
        if "WATCHDOG=1" in message:
            if not self._frozen and self.ready.is_set():
                self.longest_feed_seconds = max(self.longest_feed_seconds, now - self._fed_monotonic)
            self._fed_monotonic = now
        if "READY=1" in message and not self.ready.is_set():
            self._fed_monotonic = now
            self.ready.set()
            self._note("sensor ready", after_seconds=round(now - self._started_monotonic, 2))

    def _watch_over(self, process: "subprocess.Popen[bytes]") -> None:
        now = time.monotonic()
        if self._frozen:
            return
        if self.ready.is_set() and now - self._fed_monotonic > WATCHDOG_SECONDS:
            self._breach(f"the watchdog was not fed for {WATCHDOG_SECONDS:g} s")
        elif not self.ready.is_set() and now - self._started_monotonic > _START_SECONDS:
            self._breach(f"the sensor was not READY within {_START_SECONDS:g} s")
        else:
            return
        self._expected = True
        process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()

    def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        with self._log.open("rb") as stream:
            stream.seek(self._log_start)
            lines = stream.read().decode(errors="replace").splitlines()
        ended = Ended(
            process.pid,
            process.returncode,
            self._expected,
            self.ready.is_set(),
            frozenset(self._active),
            " / ".join(lines[-_STDERR_TAIL:]),
        )
        self.ends.append(ended)
        self.ready.clear()
        stored = self.outbox()
        self._when_ended(ended, stored)
        self._note(
            "sensor ended",
            pid=ended.pid,
            code=ended.code,
            expected=ended.expected,
            was_ready=ended.was_ready,
            on_disk=stored,
            last_lines="" if ended.expected else ended.last_lines,
        )

    def _breach(self, sentence: str) -> None:
        self.breaches.append(sentence)
        self._note("breach", sentence=sentence)
