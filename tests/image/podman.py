"""Runs containers of the image by podman, with what docs/container.md allows and no more."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

LIMIT_SECONDS: Final = 300
HARDENED: Final = ("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")
"""What docs/container.md says."""
_HERE: Final = (
    # The broker and the camera of the test are on this machine's loopback address.
    "--network=host",
    # Podman's defaults are above what a sandbox may set.
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1000:1000",
)


class ImageError(Exception):
    """A check of the image failed; the message is the reason."""


def podman(*arguments: str, check: bool = True, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run podman; raises ImageError where it fails and `check` is set."""
    command = ["podman", *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, errors="replace"
    )
    if check and done.returncode:
        msg = f"{' '.join(command[:3])} ends with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
        raise ImageError(msg)
    return done


def load(archive: Path) -> str:
    """Load an archive; return the name under which podman has the image."""
    return podman("load", "--quiet", "--input", str(archive)).stdout.split("Loaded image:")[-1].strip()


class Container:
    """A container of the sensor. `variables`: its environment; `options`: further ones of `podman run`."""

    def __init__(self, name: str, image: str, variables: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self.name = name
        given = [f"--env={key}={value}" for key, value in variables.items()]
        check = "--health-cmd=emotion-edge-healthcheck"
        podman("run", "--detach", f"--name={name}", *HARDENED, *_HERE, check, *given, *options, image)

    def inspect(self) -> dict[str, Any]:
        """Return what podman knows of it."""
        (found,) = json.loads(podman("inspect", self.name).stdout)
        return dict(found)

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside."""
        return podman("exec", self.name, *command, check=False)

    def healthy(self) -> bool:
        """Run the image's health check once; return whether it passes."""
        return podman("healthcheck", "run", self.name, check=False).returncode == 0

    def health(self) -> dict[str, Any]:
        """Return the answer of /healthz, as the health check prints it."""
        printed = self.execute("emotion-edge-healthcheck").stdout
        try:
            return dict(json.loads(printed))
        except ValueError:
            return {"status": printed.strip()}

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        podman("kill", f"--signal={name}", self.name)

    def stop(self) -> int:
        """Stop it as `podman stop` does, by the image's stop signal; return the exit code of its first process."""
        podman("stop", "--time=60", self.name)
        return int(self.inspect()["State"]["ExitCode"])

    def log(self) -> str:
        """Return what it has printed."""
        done = podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def remove(self) -> None:
        """Remove it, running or not, without its named volumes."""
        podman("rm", "--force", "--ignore", "--time=5", self.name, check=False)
