"""The Debian package's own files: scripts that a shell can read, and versions that fit the project's requirements.

scripts/test-deb and scripts/test-piuparts try the package itself.
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SCRIPTS = [
    *(
        ROOT / "distribution" / "debian" / name
        for name in ("preinst", "postinst", "prerm", "postrm.in", "emotion-edge")
    ),
    *(
        ROOT / "systemd" / name
        for name in ("install", "service", "steps.sh", "as-service.sh", "light.sh", "removal.sh")
    ),
    *sorted(file for file in (ROOT / "scripts").iterdir() if file.is_file() and file.suffix in {"", ".sh"}),
]
EXTRAS = ("preview", "mtcnn", "notice")


def is_for_sh(file):
    return file.suffix == ".sh" or file.read_text(encoding="utf-8").startswith("#!/bin/sh")


@pytest.mark.parametrize("script", [file for file in SCRIPTS if is_for_sh(file)], ids=lambda file: file.name)
def test_shell_reads_every_script(script):
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def locked(minor):
    text = (ROOT / "distribution" / "requirements" / f"python3.{minor}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.MULTILINE))


@pytest.mark.parametrize("minor", [11, 13])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_locked_versions_are_those_that_the_project_asks_for(minor, machine):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    environment = {"python_version": f"3.{minor}", "platform_machine": machine}
    versions = locked(minor)
    asked = [one for one in map(Requirement, wanted) if one.marker is None or one.marker.evaluate(environment)]
    assert len(asked) > len(EXTRAS)
    for one in asked:
        assert one.name in versions, f"{one.name} is missing: run `make lock`"
        assert one.specifier.contains(versions[one.name]), f"{one.name} {versions[one.name]}: run `make lock`"


def test_package_depends_on_the_python_of_its_wheels_and_ships_what_the_service_runs():
    control = (ROOT / "distribution" / "debian" / "control.in").read_text(encoding="utf-8")
    assert "@PYTHON_DEPENDS@, python3-venv" in control
    installed = (ROOT / "distribution" / "debian" / "install").read_text(encoding="utf-8")
    for target in ("usr/lib/systemd/system", "etc/emotion-edge", "usr/lib/emotion-edge/wheels", "usr/bin"):
        assert f" {target}\n" in installed
    sourced = re.findall(r"^\. \$LIB/(\S+)$", (ROOT / "distribution/debian/postinst").read_text(), re.MULTILINE)
    copied = re.search(r"^ *cp (.*) \"\$tree/lib\"$", (ROOT / "scripts/make-deb").read_text(), re.MULTILINE)
    assert copied is not None
    assert set(sourced) <= {Path(file).name for file in copied[1].split()}
