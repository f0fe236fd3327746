"""Finds out how the program was installed, and names the command that adds one of its extras.

The package is not on the index, and an index may hold another one of that name. So a command names what pip can find:
the checkout, the wheel's file, or the packages that the extra consists of.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import shlex
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

DISTRIBUTION: Final = "emotion-edge"
SERVICE_FOLDER: Final = Path("/opt/emotion-edge")
"""Where the package and `systemd/install` make the service's environments. An upgrade replaces them."""
OWN_ENVIRONMENT: Final = "~/emotion-edge-env"
"""The environment to make where the running one is the system's or the service's; the shell expands `~`."""
_IN_SERVICE: Final = ("preview", "mtcnn", "notice")
"""Extras that the package and `systemd/install` bring by themselves."""
_PROGRAMS: Final = dict.fromkeys(("convert", "backends"), ("emotion-convert", "convert.cli"))
"""Extras of `emotion-convert`: the command that needs them, and its module. Every other is for `emotion-edge`."""


@dataclass(frozen=True)
class Installation:
    """How the running program was installed.

    `python`: the interpreter. `source`: the checkout or wheel that it came from, None where that is unknown or gone.
    `editable`: it runs in the checkout itself. `requirements`: as in the metadata (PEP 508), with markers.
    `writable`: this user may add packages. `managed`: the system forbids pip to do so (PEP 668). `has_pip`: pip is
    there. `service`: it is the environment of the service.
    """

    python: str
    source: Path | None
    requirements: tuple[str, ...]
    editable: bool = False
    writable: bool = True
    managed: bool = False
    has_pip: bool = True
    service: bool = False


def find_installation(package: Path = Path(__file__).parents[1], folder: Path = SERVICE_FOLDER) -> Installation:
    """Inspect the running program. `package`: the folder of `edge`; `folder`: where the service is installed."""
    checkout = _checkout_of(package)
    source: Path | None = None
    requirements: tuple[str, ...] = ()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        distribution = importlib.metadata.distribution(DISTRIBUTION)
        source = _origin(distribution.read_text("direct_url.json"))
        requirements = tuple(distribution.requires or ())
    in_environment = sys.prefix != sys.base_prefix
    return Installation(
        python=sys.executable,
        source=checkout or source,
        requirements=requirements or _requirements_of(checkout),
        editable=checkout is not None,
        writable=os.access(sysconfig.get_path("purelib"), os.W_OK),
        managed=not in_environment and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists(),
        has_pip=find_spec("pip") is not None,
        service=Path(sys.prefix).is_relative_to(folder),
    )


def how_to_install(extra: str, installation: Installation | None = None) -> str:
    """Name the command that installs an extra for the running program, for the end of a message.

    `extra`: a name of `[project.optional-dependencies]`. `installation`: the one to name it for, else the running one.
    """
    here = installation or find_installation()
    if here.service and extra in _IN_SERVICE:
        script = str(here.source / "systemd" / "install") if here.source and here.source.is_dir() else "systemd/install"
        return f"sudo {shlex.quote(script)} (installs the service again, with all that it needs)"
    wanted = shlex.join(_wanted(extra, here))
    if not (here.service or here.managed or not here.writable):
        return f"{_pip(here.python, has_pip=here.has_pip)} install {wanted}"
    if here.source is None and not here.managed:
        return f"sudo {_pip(here.python, has_pip=True)} install {wanted}"
    # The environment belongs to the system or to the service. What the system's Python has stays visible in a new one.
    site = "--system-site-packages " if here.source is None else ""
    command, module = _PROGRAMS.get(extra, (DISTRIBUTION, "edge.cli"))
    program = f"python -m {module}" if here.source is None else command
    return (
        f"{shlex.quote(here.python)} -m venv {site}{OWN_ENVIRONMENT} && {OWN_ENVIRONMENT}/bin/pip install {wanted} "
        f"(the command is then {OWN_ENVIRONMENT}/bin/{program})"
    )


def how_to_install_apart(extra: str, python: str, folder: str, installation: Installation | None = None) -> str:
    """Name the command that installs an extra into a new environment of its own, for the end of a message.

    For packages that cannot share an environment with what else the program needs. `python`: the command that makes
    the environment. `folder`: where to; the shell expands `~`. `installation`: as for `how_to_install`.
    """
    wanted = shlex.join(_wanted(extra, installation or find_installation()))
    return f"{python} -m venv {folder} && {folder}/bin/pip install {wanted}"


def _wanted(extra: str, here: Installation) -> list[str]:
    """Return the arguments of `pip install`."""
    if here.source is not None:
        return [*(["-e"] if here.editable else []), f"{here.source}[{extra}]"]
    return packages_of(extra, here.requirements)


def packages_of(extra: str, requirements: tuple[str, ...]) -> list[str]:
    """Return the requirements of an extra, without the marker that names it.

    What is for another machine is left out. pip evaluates every other marker.
    """
    found = []
    for requirement in requirements:
        package, _, marker = requirement.partition(";")
        rest, extras = re.subn(rf"""(\s+and\s+)?\(?extra == ['"]{re.escape(extra)}['"]\)?\s*$""", "", marker.strip())
        machine = re.fullmatch(r"""\(?platform_machine == ['"](\w+)['"]\)?""", rest)
        if extras and (machine is None or machine[1] == platform.machine()):
            found.append(f"{package.strip()}; {rest}" if rest and machine is None else package.strip())
    return found


def _pip(python: str, *, has_pip: bool) -> str:
    python = shlex.quote(python)
    return f"{python} -m pip" if has_pip else f"{python} -m ensurepip && {python} -m pip"


def _checkout_of(package: Path) -> Path | None:
    """Return the checkout in which the code lies, None where it lies in an environment."""
    root = package.parent
    return root if _project(root).get("name") == DISTRIBUTION else None


def _requirements_of(checkout: Path | None) -> tuple[str, ...]:
    """Return what the metadata would hold of the extras, from the project's file."""
    extras = _project(checkout).get("optional-dependencies", {}) if checkout else {}
    return tuple(
        f"{one} and extra == '{extra}'" if ";" in one else f"{one}; extra == '{extra}'"
        for extra, of_extra in extras.items()
        for one in of_extra
    )


def _project(root: Path) -> dict[str, Any]:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    return project if isinstance(project, dict) else {}


def _origin(direct_url: str | None) -> Path | None:
    """Return the folder or file that pip installed from, from its record (PEP 610); None where it is not here now."""
    try:
        url = str(json.loads(direct_url or "{}")["url"])
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError):
        return None
    path = Path(unquote(parts.path))
    return path if parts.scheme == "file" and path.exists() else None
