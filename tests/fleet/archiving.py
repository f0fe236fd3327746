"""Archivers as processes of their own, and what their database holds."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from support.postgres import PrivatePostgres
from support.program import environment

_END_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0


class Archiver:
    """A process of `emotion-edge archive`; a context manager. It keeps name and database over a kill."""

    def __init__(self, name: str, urls: list[str], store: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / f"archive-{name}.toml"
        addresses = ", ".join(f'"{url}"' for url in urls)
        self._config.write_text(f'[mqtt]\nurls = [{addresses}]\n\n[archive]\nstore = "{store}"\nname = "{name}"\n')
        self._log = folder / f"archive-{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it with SIGTERM, as systemd does."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_END_SECONDS)

    def start(self) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "archive", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )

    def kill(self) -> None:
        """End the process with SIGKILL."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait()
        self.kills += 1

    def wait_until_subscribed(self) -> None:
        """Wait until it has its session: what was published before would not be kept for it."""
        deadline = time.monotonic() + _END_SECONDS
        while "connected to the broker" not in self.log:
            assert self._process is not None
            assert self._process.poll() is None, self.log[-2000:]
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.1)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def gaps(self) -> "subprocess.CompletedProcess[str]":
        """Run `emotion-edge archive --gaps` on its database."""
        return subprocess.run(
            [sys.executable, "-m", "edge.cli", "archive", "--config", str(self._config), "--gaps"],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )


def wait_for_rows(postgres: PrivatePostgres, database: str, events: int, patience_seconds: float) -> int:
    """Wait until the table has `events` rows, or none has come for `patience_seconds`; returns how many it has."""
    last, since = -1, time.monotonic()
    while True:
        ((found,),) = postgres.execute("SELECT count(*) FROM event", database=database)
        if found >= events or time.monotonic() - since > patience_seconds:
            return int(found)
        if found != last:
            last, since = found, time.monotonic()
        time.sleep(_POLL_SECONDS)


def stored(postgres: PrivatePostgres, database: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the number of rows and the highest `seq` of each device and boot."""
    rows = postgres.execute(
        "SELECT device, boot_id, count(*), max(seq) FROM event GROUP BY device, boot_id", database=database
    )
    return {(device, boot_id): (int(count), int(highest)) for device, boot_id, count, highest in rows}
