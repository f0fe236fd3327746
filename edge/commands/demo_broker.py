"""A private mosquitto on a free loopback port, for the demo and the tests. Nobody else's is touched."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from edge.errors import BrokerError

_SBIN: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
"""Where packages put mosquitto, and where the PATH of an ordinary user often does not lead."""

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0
_TRIES: Final = 5
"""Tries with another port each, or for a given port: between choosing a port and mosquitto's taking it
another program may have taken it, and the port of a broker that just ended may take a moment."""

_RETRY_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.01


def find_mosquitto() -> str | None:
    """Path of mosquitto, None where it is not installed."""
    return _find("mosquitto")


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_SBIN)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a TLS listener. With `client_ca` it wants a client certificate signed by that one."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class PrivateBroker:
    """A mosquitto on 127.0.0.1 with a configuration and a folder of its own; a context manager.

    `users`: passwords by name; without any, everybody may connect. `persistence`: what it holds
    survives `stop` and `start`. `extra`: further lines of its configuration.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        persistence: bool = False,
        extra: Sequence[str] = (),
    ) -> None:
        self._users = dict(users or {})
        self._tls = tls
        self._persistence = persistence
        self._extra = tuple(extra)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        """Chosen at the first start, and kept from then on."""

    @property
    def url(self) -> str:
        """What `mqtt.url` must be. With TLS the certificate must be made for 127.0.0.1."""
        return f"{'mqtts' if self._tls else 'mqtt'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def reserve(self) -> None:
        """Choose the port without starting, for a client that is there before its broker."""
        self.port = self.port or free_port()

    def start(self) -> None:
        """Start, and return once it listens. Raises BrokerError where there is none or it will not start."""
        program = find_mosquitto()
        if program is None:
            msg = "mosquitto is not installed: install it, on Debian and Raspberry Pi OS with apt install mosquitto"
            raise BrokerError(msg)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="emotion-edge-broker-")
        fixed = self.port != 0
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_RETRY_SECONDS)
            port = self.port if fixed else free_port()
            if self._try(program, Path(self._folder.name), port):
                self.port = port
                return
        msg = f"mosquitto does not start: {' '.join(self.log().splitlines()[-2:])}"
        raise BrokerError(msg)

    def stop(self) -> None:
        """End it in good order, by its process id; without effect where it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it the hard way, as a power cut would."""
        self._end(kill=True)

    def log(self) -> str:
        """Everything it has said."""
        if self._folder is None:
            return ""
        file = Path(self._folder.name, "log")
        return file.read_text(errors="replace") if file.exists() else ""

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        (process.kill if kill else process.terminate)()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _try(self, program: str, folder: Path, port: int) -> bool:
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(self._config(folder, port)) + "\n")
        log = folder / "log"
        with log.open("ab") as stream:
            said_before = stream.tell()
            # mosquitto is looked up in fixed places, and its arguments are ours. A process group of its own
            # keeps Ctrl-C away from it: its clients want to say good-bye first.
            self._process = subprocess.Popen(  # noqa: S603
                [program, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=folder,
                process_group=0,
            )
        deadline = time.monotonic() + _START_SECONDS
        # Not a connection: on a port that was snatched away another program would answer it.
        while time.monotonic() < deadline and self._process.poll() is None:
            if b" running" in log.read_bytes()[said_before:]:
                return True
            time.sleep(_LOOK_SECONDS)
        self.kill()
        return False

    def _config(self, folder: Path, port: int) -> list[str]:
        lines = [
            f"listener {port} 127.0.0.1",
            # Not stdout: mosquitto leaves that buffered, and we wait for a line of it.
            "log_dest stderr",
            "log_type all",
            f"allow_anonymous {'false' if self._users else 'true'}",
            f"persistence {'true' if self._persistence else 'false'}",
            f"persistence_location {folder}/",
            # A subscriber that is slow, on a busy machine, must not miss any of a burst.
            "max_queued_messages 0",
        ]
        if os.geteuid() == 0:
            # Otherwise it becomes the user mosquitto, who may not look into our folder.
            lines.append("user root")
        if self._users:
            lines.append(f"password_file {self._passwords(folder)}")
        if self._tls is not None:
            lines += [f"certfile {self._tls.cert}", f"keyfile {self._tls.key}"]
            if self._tls.client_ca is not None:
                lines += [f"cafile {self._tls.client_ca}", "require_certificate true"]
        return [*lines, *self._extra]

    def _passwords(self, folder: Path) -> Path:
        file = folder / "passwords"
        if not file.exists():
            program = _find("mosquitto_passwd")
            if program is None:
                msg = "mosquitto_passwd is not installed: it comes with mosquitto"
                raise BrokerError(msg)
            file.touch(mode=0o600)
            file.write_text("".join(f"{user}:{password}\n" for user, password in self._users.items()))
            # -U turns the plain passwords of a file into hashes: none of them shows in a process list.
            subprocess.run([program, "-U", str(file)], check=True, capture_output=True)  # noqa: S603
        return file


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
