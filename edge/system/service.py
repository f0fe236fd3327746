"""Names the services of this device: the single one, and an instance for each further camera.

The path of the configuration says which service is meant: /etc/emotion-edge/config.toml is the single one's, and
/etc/emotion-edge/door.toml that of the instance `door`. So every command that is given the file means the same sensor.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import ConfigError
from edge.redact import quoted

CONFIG_FOLDER: Final = Path("/etc/emotion-edge")
"""Folder of the services' configurations (ExecStart= of both units in systemd/)."""
PROGRAM: Final = "emotion-edge"
"""Name of the single service, and the beginning of every instance's."""
SINGLE: Final = "config"
"""Name of the single service's file, without its suffix; no instance can have it."""
_STATE: Final = Path("/var/lib")
_CREDENTIALS: Final = Path("/etc/credstore")
_PROCESSES: Final = Path("/proc")
_SUFFIX: Final = ".toml"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,17}")
"""A user name of Linux has 31 characters at most (systemd's USER_NAMES.md), of which `emotion-edge-` takes 13."""
_NAME_LENGTH: Final = 18
NAME_IN_WORDS: Final = (
    f"a letter from a to z, then at most {_NAME_LENGTH - 1} letters from a to z, digits and dashes, and not {SINGLE!r}"
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of this device. `name`: of the instance; empty for the single service. `folder`: of its file."""

    name: str = ""
    folder: Path = CONFIG_FOLDER

    @property
    def unit(self) -> str:
        """Its name for systemctl, such as `emotion-edge@door`."""
        return f"{PROGRAM}@{self.name}" if self.name else PROGRAM

    @property
    def config_file(self) -> Path:
        """Its configuration."""
        return self.folder / f"{self.name or SINGLE}{_SUFFIX}"

    @property
    def state_folder(self) -> Path:
        """Its state (StateDirectory= of its unit)."""
        return _STATE / (f"{PROGRAM}-{self.name}" if self.name else PROGRAM)

    def credential_file(self, credential: str) -> Path:
        """Return the file of a credential, such as `mqtt-password`, which root may write and systemd reads."""
        return _CREDENTIALS / f"{self.state_folder.name}.{credential}"


def named_service(name: str | None) -> Service:
    """Return the service of an instance, the single one without a name. Raises ConfigError for a wrong name."""
    if not name:
        return Service()
    if _NAME.fullmatch(name) is None or name == SINGLE:
        raise ConfigError(f"{quoted(name)} cannot be the name of an instance: it must be {NAME_IN_WORDS}")
    return Service(name)


def find_service(path: Path | None, folder: Path = CONFIG_FOLDER) -> Service | None:
    """Return the service whose configuration `path` is, whether it exists or not; None for every other file.

    `folder`: that of the services' configurations. Raises ConfigError where a file in it has a name that no instance
    can have: it would be nobody's, and two of them would take the same device id.
    """
    if path is None or path.suffix != _SUFFIX or not _is_same_folder(path.parent, folder):
        return None
    name = path.name.removesuffix(_SUFFIX)
    if name == SINGLE:
        return Service("", folder)
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"configuration file {path} is named as the instance {quoted(name)}, but the name of an instance is "
            f"{NAME_IN_WORDS}: rename the file, as in {_suggestion(name)}{_SUFFIX}"
        )
    return Service(name, folder)


def installed_services(folder: Path = CONFIG_FOLDER) -> list[Service]:
    """Return the services whose configuration exists, the single one first. Files with other names are left out."""
    try:
        names = sorted(path.name.removesuffix(_SUFFIX) for path in folder.iterdir() if path.suffix == _SUFFIX)
    except OSError:
        return []
    instances = [Service(name, folder) for name in names if name != SINGLE and _NAME.fullmatch(name)]
    return [*([Service("", folder)] if SINGLE in names else []), *instances]


def refuse_reserved_instance(environ: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError in the unit emotion-edge@config, whose file is the single service's.

    `environ`: as systemd sets it, with the unit's state folder.
    """
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state == str(Service(SINGLE).state_folder):
        raise ConfigError(
            f"{PROGRAM}@{SINGLE} would read the file of the service {PROGRAM}: start that one "
            f"(systemctl start {PROGRAM}), or name the instance otherwise"
        )


def unit_of(process: int | None = None, processes: Path = _PROCESSES) -> str | None:
    """Return the service unit that a process belongs to, such as `emotion-edge@door.service`; None where not known.

    `process`: its id; by default this one. `processes`: the kernel's folder of processes, in which a hardened service
    finds only its own (ProtectProc=).
    """
    try:
        text = (processes / str(process or "self") / "cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    unit = re.search(r"/([^/\n]+\.service)$", text, re.MULTILINE)
    return unit[1] if unit else None


def own_unit() -> str:
    """Return the service that this process is, for systemctl; the single one where it is none of them."""
    unit = unit_of() or ""
    return unit.removesuffix(".service") if unit.startswith((f"{PROGRAM}.", f"{PROGRAM}@")) else PROGRAM


def _is_same_folder(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one folder; the file itself may be a link to anywhere."""
    return os.path.realpath(one) == os.path.realpath(other)


def _suggestion(name: str) -> str:
    cleaned = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:_NAME_LENGTH].rstrip("-")
    return cleaned if cleaned not in {"", SINGLE} else "door"
