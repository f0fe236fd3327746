"""The soak's mosquitto, with a listener for the sensor and one for the subscriber, and the subscriber itself."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge.commands import demo_broker
from support.held_port import HeldPort

from .ledger import Key, unix_seconds

_WATCH_STOPS_SECONDS: Final = 60.0
_SUBSCRIBED: Final = b"Sending SUBACK to emotion-edge-watch-"
_POLL_SECONDS: Final = 0.02
LONGEST_TURN_SECONDS: Final = 2.0
"""A loop of this program that takes longer for one turn was stopped together with everything else."""


class SoakBroker(demo_broker.PrivateBroker):
    """A mosquitto whose settings change from start to start. `port`: for the subscriber, `sensor_port`: for the sensor.

    `refuse_sensor`: the sensor's listener admits no one. `extra`: further lines of the configuration. Both apply at
    the next start. The subscriber's listener always admits it, because what it misses could not be judged.
    """

    def __init__(self) -> None:
        super().__init__()
        # Held until this program ends: other connections must not take them while the broker is away.
        self._held = HeldPort(), HeldPort()
        self.port, self.sensor_port = (port.number for port in self._held)
        self.refuse_sensor = False
        self.extra: tuple[str, ...] = ()

    def config_lines(self, folder: Path, port: int) -> list[str]:
        """Return the lines of mosquitto.conf."""
        common = [
            line for line in super().config_lines(folder, port) if not line.startswith(("listener", "allow_anonymous"))
        ]
        return [
            "per_listener_settings true",
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            f"listener {self.sensor_port} 127.0.0.1",
            f"allow_anonymous {'false' if self.refuse_sensor else 'true'}",
            *common,
            "persistence true",
            *self.extra,
        ]

    def send(self, number: int) -> None:
        """Send a signal to the process; without effect where it does not run."""
        if self._process is not None:
            self._process.send_signal(number)

    def log_size(self) -> int:
        """Return the length of the log in bytes."""
        return 0 if self.folder is None else (self.folder / "log").stat().st_size

    def subscribed_since(self, position: int) -> bool:
        """Return whether the subscriber was granted its subscription after `position` in the log."""
        if self.folder is None:
            return False
        with (self.folder / "log").open("rb") as stream:
            stream.seek(position)
            return _SUBSCRIBED in stream.read()


class Watch:
    """`emotion-edge watch --verify --json` as a process, and what it printed. `file` gets its output."""

    def __init__(self, url: str, file: Path, environment: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._arrived: list[Key] = []
        self._seen: set[Key] = set()
        self.findings: list[str] = []
        self.health: dict[str, Any] | None = None
        self.status: str | None = None
        self.replayed = 0
        self.live_events = 0
        """Events without the mark `replayed`, since `forget`."""
        self.unmarked_age_seconds: list[float] = []
        """For each event without the mark: from its `time` to its arrival, by this machine's clock."""
        self.longest_silence_seconds = 0.0
        self._last_arrival = time.monotonic()
        self._errors = file.with_suffix(".stderr").open("wb")
        self._file = file
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "watch", "--verify", "--json", "--mqtt", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def arrived(self) -> list[Key]:
        """Return the events in the order of their arrival, duplicates included."""
        with self._lock:
            return list(self._arrived)

    def has(self, keys: set[Key]) -> bool:
        """Return whether all of these events have arrived."""
        with self._lock:
            return keys <= self._seen

    def forget(self) -> None:
        """Forget the last health and the count of live events, to see the next ones."""
        self.health, self.live_events = None, 0

    def end(self) -> int:
        """End it as Ctrl-C does; returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(_WATCH_STOPS_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(_WATCH_STOPS_SECONDS)
        self._errors.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._file.open("w", encoding="utf-8") as copy:
            for line in self._process.stdout:
                copy.write(line)
                self._take(json.loads(line))

    def _take(self, record: dict[str, Any]) -> None:
        payload = record.get("payload")
        match record.get("kind"):
            case "event" if payload is not None:
                self._event(payload)
            case "health" if payload is not None:
                self.health = payload
            case "status":
                self.status = payload
            case None:
                self.findings.append(record["verify"])

    def _event(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        self.longest_silence_seconds = max(self.longest_silence_seconds, now - self._last_arrival)
        self._last_arrival = now
        if event["replayed"]:
            self.replayed += 1
        else:
            self.live_events += 1
            self.unmarked_age_seconds.append(time.time() - unix_seconds(event["time"]))
        with self._lock:
            self._arrived.append((event["boot_id"], event["seq"]))
            self._seen.add((event["boot_id"], event["seq"]))


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until `condition()`, at most `seconds`; returns whether it became true.

    A time in which this whole machine stood still counts as one poll: a virtual machine that is paused is no fault.
    """
    waited, last = 0.0, time.monotonic()
    while not condition():
        if waited > seconds:
            return False
        time.sleep(_POLL_SECONDS)
        now = time.monotonic()
        waited, last = waited + min(now - last, LONGEST_TURN_SECONDS), now
    return True
