"""A private PostgreSQL cluster on a free port, made of Debian's package."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from edge.commands.demo_broker import find_program
from support.held_port import HeldPort

INSTALL = "PostgreSQL is not installed: apt install postgresql"
"""What to do where `find_postgres` finds nothing."""
OWNER = "postgres"
_START_SECONDS = 60.0


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest version; None where it is not installed."""
    # Debian keeps initdb and pg_ctl outside the PATH.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    folders = [folder for folder in folders if (folder / "initdb").exists()]
    if folders:
        return folders[-1]
    initdb = find_program("initdb")
    return None if initdb is None else Path(initdb).resolve().parent


class PrivatePostgres:
    """A cluster on 127.0.0.1 with a folder of its own; a context manager. Root starts it as the user postgres.

    Everyone on this machine may connect as any user without a password, unless `password` is set. `settings`: further
    lines of its configuration. `stop`, `kill` and `start` keep its data and its port.
    """

    def __init__(self, *, password: str = "", settings: Sequence[str] = ()) -> None:
        self._programs = find_postgres()
        if self._programs is None:
            raise RuntimeError(INSTALL)
        self._folder = tempfile.TemporaryDirectory(prefix="emotion-edge-postgres-")
        self._data = Path(self._folder.name, "data")
        self._password = password
        self._settings = tuple(settings)
        self._held = HeldPort()
        self.port = self._held.number
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None where it does not run."""
        return None if self._process is None else self._process.pid

    def url(self, database: str = "postgres", user: str = OWNER) -> str:
        """Value for `archive.store`."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._held.release()
        self._folder.cleanup()

    def start(self) -> None:
        """Start, and return once it takes connections; the first time it is created."""
        if not self._data.exists():
            self._create()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **self._as_owner(),
            )
        deadline = time.monotonic() + _START_SECONDS
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a restart of the service does: connections are cut, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGQUIT)

    def create_database(self, name: str, owner: str = OWNER) -> str:
        """Create a database; return its value for `archive.store`."""
        if owner != OWNER:
            self.execute(f'CREATE ROLE "{owner}" LOGIN')
        self.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        return self.url(name, owner)

    def execute(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None, *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Execute a statement as the owner of the cluster; return its rows."""
        import psycopg  # noqa: PLC0415 - only where there is PostgreSQL

        with psycopg.connect(self.url(database), password=self._password or None, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def log_file(self) -> Path:
        return Path(self._folder.name, "log")

    def _create(self) -> None:
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        self._data.mkdir(mode=0o700)
        self.log_file.touch(mode=0o666)
        options = ["-A", "trust"]
        if self._password:
            secret = folder / "password"
            secret.write_text(self._password)
            secret.chmod(0o644)
            options = ["-A", "scram-sha-256", f"--pwfile={secret}"]
        if os.geteuid() == 0:
            shutil.chown(self._data, OWNER)
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, "-U", OWNER, "-E", "UTF8", "--locale=C", "-N", *options],
            check=True,
            capture_output=True,
            cwd="/",
            **self._as_owner(),
        )
        lines = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''",
            *self._settings,
        ]
        with (self._data / "postgresql.conf").open("a") as stream:
            stream.write("\n".join(lines) + "\n")

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(_START_SECONDS)

    def _as_owner(self) -> dict[str, Any]:
        """Return what makes a process the owner's: PostgreSQL refuses to be root's."""
        if os.geteuid() != 0:
            return {}
        owner = pwd.getpwnam(OWNER)
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running cluster, which all tests share: each makes a database of its own, or starts a cluster of its own."""
    if find_postgres() is None:
        pytest.skip(INSTALL)
    pytest.importorskip("psycopg")
    with PrivatePostgres() as cluster:
        yield cluster
