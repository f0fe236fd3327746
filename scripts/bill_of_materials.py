"""Writes the software bill of materials of a Debian package, as CycloneDX JSON.

python bill_of_materials.py OWN_WHEEL LIST WHEELS OUTPUT, in the checkout. OWN_WHEEL: the wheel of emotion-edge; LIST: a
file of distribution/requirements; WHEELS: the folder with the wheels that it names.

CycloneDX's own tool for Python (cyclonedx-py) writes both halves. From metadata of installed packages it takes licences
and who needs whom, from a list of requirements the sums; so the second is put into the first. Nothing is installed: an
environment for another Python and another processor would not run here. The tool reads metadata alone, which is
unpacked into an empty environment.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any, Final

_SPECIFICATION: Final = "1.6"
"""Version of CycloneDX: ECMA-424's first edition, which other tools read."""


def write_bill(own_wheel: Path, requirements: Path, wheels: Path, output: Path) -> int:
    """Write the bill to `output`, without serial number and time, and return the number of packages in it.

    Raises ValueError where list and wheels name different packages.
    """
    with tempfile.TemporaryDirectory() as scratch:
        site = _empty_environment(Path(scratch))
        for wheel in [own_wheel, *sorted(wheels.glob("*.whl"))]:
            _unpack_metadata(wheel, site)
        bill = _bill("environment", scratch)
    sums = {_key(one): one["externalReferences"] for one in _bill("requirements", str(requirements))["components"]}
    components = bill["components"]
    named = {_key(one) for one in components}
    if named != sums.keys():
        different = ", ".join(sorted(named ^ sums.keys()))
        raise ValueError(f"{requirements} and {wheels} differ in {different}: remove {wheels} to download it again")
    for component in components:
        component["externalReferences"] = [*component.get("externalReferences", []), *sums[_key(component)]]
    output.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(components)


def _key(component: dict[str, Any]) -> str:
    """Return name and version, the name as indexes normalise it (PEP 503)."""
    return f"{re.sub(r'[-_.]+', '-', component['name']).lower()} {component['version']}"


def _empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False)
    return next(folder.glob("lib/python*/site-packages"))


def _unpack_metadata(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.partition("/")[0].endswith(".dist-info"):
                archive.extract(name, site)


def _bill(*what: str) -> dict[str, Any]:
    """Return what cyclonedx-py writes about an environment or a list of requirements."""
    # Its time would be that of the commit; what the bill describes has no time but its versions.
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", _SPECIFICATION]
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *what, *options, "--output-format", "JSON"]
    content: dict[str, Any] = json.loads(
        subprocess.run(  # noqa: S603 - the tool of this environment
            command, env=environ, check=True, stdout=subprocess.PIPE
        ).stdout
    )
    return content


if __name__ == "__main__":
    own, listed, folder, target = map(Path, sys.argv[1:])
    try:
        print(f"{target}: {write_bill(own, listed, folder, target)} packages")
    except ValueError as error:
        sys.exit(f"bill_of_materials: {error}")
