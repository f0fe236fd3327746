import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from edge.system import installation
from edge.system.installation import (
    Installation,
    find_installation,
    how_to_install,
    how_to_install_apart,
    packages_of,
)

ROOT = Path(__file__).parents[3]
WHEEL = Path("/home/ana/emotion_edge-0.1.0-py3-none-any.whl")
REQUIREMENTS = (
    "numpy<2,>=1.26; python_version < '3.12'",
    "msgspec<1,>=0.19",
    "keras<4,>=3.6; extra == 'convert'",
    "tensorflow-cpu<2.22,>=2.18; (platform_machine == 'x86_64') and extra == 'convert'",
    "tensorflow<2.22,>=2.18; (platform_machine == 'aarch64') and extra == 'convert'",
    'uvicorn<1,>=0.34; extra == "preview"',
    "tflite-runtime<2.15,>=2.14; (python_version < '3.12') and extra == 'tflite'",
)
IN_CHECKOUT = Installation("/home/ana/sensor/.venv/bin/python", Path("/home/ana/sensor"), REQUIREMENTS, editable=True)
SERVICE = Installation(
    "/opt/emotion-edge/current/bin/python", Path("/home/ana/sensor"), REQUIREMENTS, writable=False, service=True
)


@pytest.mark.parametrize(
    ("here", "extra", "command"),
    [
        (IN_CHECKOUT, "convert", "/home/ana/sensor/.venv/bin/python -m pip install -e '/home/ana/sensor[convert]'"),
        (
            replace(IN_CHECKOUT, editable=False, source=WHEEL),
            "preview",
            f"/home/ana/sensor/.venv/bin/python -m pip install '{WHEEL}[preview]'",
        ),
        (
            replace(IN_CHECKOUT, python="/my env/bin/python", has_pip=False),
            "preview",
            "'/my env/bin/python' -m ensurepip && '/my env/bin/python' -m pip install -e '/home/ana/sensor[preview]'",
        ),
        (  # collected wheels, or a file that is not there any more: the packages themselves
            replace(IN_CHECKOUT, editable=False, source=None),
            "preview",
            "/home/ana/sensor/.venv/bin/python -m pip install 'uvicorn<1,>=0.34'",
        ),
        (  # an environment that a package has made
            Installation("/usr/lib/emotion-edge/bin/python", None, REQUIREMENTS, writable=False),
            "preview",
            "sudo /usr/lib/emotion-edge/bin/python -m pip install 'uvicorn<1,>=0.34'",
        ),
        (  # a package for the system's Python, into which pip does not install
            Installation("/usr/bin/python3", None, REQUIREMENTS, managed=True),
            "preview",
            "/usr/bin/python3 -m venv --system-site-packages ~/emotion-edge-env && ~/emotion-edge-env/bin/pip install "
            "'uvicorn<1,>=0.34' (the command is then ~/emotion-edge-env/bin/python -m edge.cli)",
        ),
        (
            SERVICE,
            "convert",
            "/opt/emotion-edge/current/bin/python -m venv ~/emotion-edge-env && "
            "~/emotion-edge-env/bin/pip install '/home/ana/sensor[convert]' "
            "(the command is then ~/emotion-edge-env/bin/emotion-convert)",
        ),
    ],
)
def test_the_command_fits_how_the_program_was_installed(here, extra, command):
    assert how_to_install(extra, here) == command


@pytest.mark.parametrize(
    ("source", "script"), [(ROOT, f"{ROOT}/systemd/install"), (WHEEL, "systemd/install"), (None, "systemd/install")]
)
def test_what_the_service_needs_comes_with_its_installer(source, script):
    hint = how_to_install("preview", replace(SERVICE, source=source))
    assert hint == f"sudo {script} (installs the service again, with all that it needs)"


def test_packages_of_an_extra_are_those_for_this_machine(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert packages_of("convert", REQUIREMENTS) == ["keras<4,>=3.6", "tensorflow<2.22,>=2.18"]
    assert packages_of("tflite", REQUIREMENTS) == ["tflite-runtime<2.15,>=2.14; (python_version < '3.12')"]
    assert packages_of("picture", REQUIREMENTS) == []


def test_a_checkout_is_recognised_by_its_project_file():
    here = find_installation()
    assert (here.source, here.editable, here.python) == (ROOT, True, sys.executable)
    for extra in ("convert", "preview", "tflite"):
        assert how_to_install(extra).endswith(f" -m pip install -e '{ROOT}[{extra}]'")
        assert {Requirement(one).name for one in packages_of(extra, here.requirements)}


def installed_from(monkeypatch, record):
    """Let pip's record of where the distribution came from be this one."""
    distribution = SimpleNamespace(read_text={"direct_url.json": record}.get, requires=list(REQUIREMENTS))
    monkeypatch.setattr("importlib.metadata.distribution", lambda _: distribution)


@pytest.mark.parametrize(
    "record",
    [None, "", "no JSON", "[]", "{}", '{"url": 3}', '{"url": "https://example.org/x.whl"}', '{"url": "file:///gone"}'],
)
def test_without_a_source_that_is_here_the_packages_are_named(monkeypatch, tmp_path, record):
    installed_from(monkeypatch, record)
    here = find_installation(tmp_path / "site-packages" / "edge")
    assert (here.source, here.editable, here.requirements) == (None, False, REQUIREMENTS)
    assert "emotion-edge" not in " ".join(packages_of("convert", here.requirements))


def test_a_wheel_and_a_folder_are_found_by_pips_record(monkeypatch, tmp_path):
    wheel = tmp_path / "my wheels" / WHEEL.name
    wheel.parent.mkdir()
    wheel.touch()
    installed_from(monkeypatch, json.dumps({"url": wheel.as_uri(), "archive_info": {}}))
    assert find_installation(tmp_path / "edge").source == wheel


def test_a_program_that_is_not_installed_reads_the_project_file(monkeypatch, tmp_path):
    def absent(name):
        raise installation.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    here = find_installation(tmp_path / "edge")
    assert (here.source, here.editable) == (tmp_path, True)
    assert packages_of("preview", here.requirements)[0].startswith("uvicorn")
    (tmp_path / "pyproject.toml").write_text("project = 3", encoding="utf-8")
    assert find_installation(tmp_path / "edge").source is None


def test_the_services_environment_is_told_by_its_folder(tmp_path):
    assert not find_installation(folder=tmp_path).service
    assert find_installation(folder=Path(sys.prefix).parent).service


def test_extra_that_needs_an_environment_of_its_own_is_installed_there():
    command = how_to_install_apart("convert", "python3.12", "~/other", IN_CHECKOUT)
    assert command == "python3.12 -m venv ~/other && ~/other/bin/pip install -e '/home/ana/sensor[convert]'"
    collected = replace(IN_CHECKOUT, editable=False, source=None)
    command = how_to_install_apart("preview", "python3", "~/other", collected)
    assert command == "python3 -m venv ~/other && ~/other/bin/pip install 'uvicorn<1,>=0.34'"
