"""Runs a private mosquitto on a free loopback port, beside any other broker."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from edge.commands.child_process import end_process
from edge.errors import BrokerError

_SBIN: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
"""Folders in which packages install mosquitto, and which the PATH of an ordinary user often lacks."""

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0
_TRIES: Final = 5
"""Attempts to start, each on another port unless the port is given. Another program may take the chosen port before
mosquitto does, and the port of a broker that just ended may be busy for a moment."""
RETRY_SECONDS: Final = 0.2
_POLL_SECONDS: Final = 0.01


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, None where it is not installed."""
    return find_program("mosquitto")


def find_program(name: str) -> str | None:
    """Return the path of a program, also from the folders of daemons; None where it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_SBIN)


class PrivateBroker:
    """A mosquitto on 127.0.0.1 with a configuration and a folder of its own; a context manager.

    Anonymous clients may connect. `retry_seconds`: wait between two attempts to start.
    """

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        """TCP port, chosen at the first start and kept from then on."""

    @property
    def url(self) -> str:
        """Value for `mqtt.url`."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id; None where it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def folder(self) -> Path | None:
        """Folder of configuration, log and stored messages; None before the first start."""
        return None if self._folder is None else Path(self._folder.name)

    def __enter__(self) -> Self:
        """Start the broker."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the broker and remove its folder."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def start(self) -> None:
        """Start, and return once it listens. Raises BrokerError where mosquitto is missing or does not start."""
        program = find_mosquitto()
        if program is None:
            msg = "mosquitto is not installed: install it, on Debian and Raspberry Pi OS with apt install mosquitto"
            raise BrokerError(msg)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="emotion-edge-broker-")
        fixed = self.port != 0
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self._retry_seconds)
            port = self.port if fixed else free_port()
            if self._try(program, Path(self._folder.name), port):
                self.port = port
                return
        msg = f"mosquitto does not start: {' '.join(self.log().splitlines()[-2:])}"
        raise BrokerError(msg)

    def stop(self) -> None:
        """End it with SIGTERM; without effect where it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        self._end(kill=True)

    def log(self) -> str:
        """Return everything it has logged."""
        if self._folder is None:
            return ""
        file = Path(self._folder.name, "log")
        return file.read_text(errors="replace") if file.exists() else ""

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        end_process(process, _STOP_SECONDS)

    def _try(self, program: str, folder: Path, port: int) -> bool:
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(self.config_lines(folder, port)) + "\n")
        log = folder / "log"
        with log.open("ab") as stream:
            logged_before = stream.tell()
            # mosquitto comes from fixed folders, and its arguments from here. A process group of its own keeps
            # Ctrl-C away from it, so that its clients can still disconnect cleanly.
            self._process = subprocess.Popen(  # noqa: S603
                [program, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=folder,
                process_group=0,
            )
        deadline = time.monotonic() + _START_SECONDS
        # A test connection would prove nothing: on a port that was taken, another program would answer it.
        while time.monotonic() < deadline and self._process.poll() is None:
            if b" running" in log.read_bytes()[logged_before:]:
                return True
            time.sleep(_POLL_SECONDS)
        self.kill()
        return False

    def config_lines(self, folder: Path, port: int) -> list[str]:
        """Return the lines of mosquitto.conf for a listener at `port`; of repeated settings the last one counts."""
        lines = [
            f"listener {port} 127.0.0.1",
            # Not stdout, which mosquitto buffers: `start` waits for a line.
            "log_dest stderr",
            "log_type all",
            "allow_anonymous true",
            "persistence false",
            f"persistence_location {folder}/",
            # A slow subscriber on a busy machine must not miss messages of a burst.
            "max_queued_messages 0",
        ]
        if os.geteuid() == 0:
            # Otherwise it becomes the user mosquitto, who cannot read the folder.
            lines.append("user root")
        return lines


def free_port() -> int:
    """Return a TCP port of the loopback address that is free at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
