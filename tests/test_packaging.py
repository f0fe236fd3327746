"""What is installed where: requirements by environment, the wheel's content, the lane's interpreter."""

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from edge.vision.classification.classifier import RUNTIMES, find_runtime

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ARM32 = ("armv6l", "armv7l", "armv8l")
ARM64_AND_X86 = ("aarch64", "x86_64")
PYTHONS = ("3.11", "3.12", "3.13")


def requirements(lines, machine, python):
    """Return the requirements that apply on a machine, by name."""
    environment = {
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": python + ".2",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "extra": "",
    }
    found = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is required twice on {machine} with Python {python}"
            found[name] = requirement.specifier
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", ARM64_AND_X86 + ARM32)
def test_numpy_follows_the_python_version(machine, python):
    numpy = requirements(PROJECT["dependencies"], machine, python)["numpy"]
    # apt's picamera2 in Bookworm (3.11) is built against numpy 1.
    assert numpy.contains("1.26.4") == (python == "3.11")
    assert numpy.contains("2.2.6") == (python != "3.11")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", ARM64_AND_X86)
def test_64_bit_gets_opencv_that_fits_its_numpy_and_the_faster_interpreter(machine, python):
    found = requirements(PROJECT["dependencies"], machine, python)
    opencv = found["opencv-python-headless"]
    # 4.12 needs numpy 2; 5 has no CascadeClassifier.
    assert opencv.contains("4.11.0.86") == (python == "3.11")
    assert opencv.contains("4.12.0.88") == (python != "3.11")
    assert not opencv.contains("5.0.0.93")
    assert "ai-edge-litert" in found
    assert "tflite-runtime" not in found


@pytest.mark.parametrize("machine", ["armv7l", "armv8l"])
def test_32_bit_arm_gets_tflite_runtime_and_no_opencv(machine):
    found = requirements(PROJECT["dependencies"], machine, "3.11")
    assert found["tflite-runtime"].contains("2.14.0")
    assert "opencv-python-headless" not in found
    assert "ai-edge-litert" not in found


@pytest.mark.parametrize("python", ["3.12", "3.13"])
@pytest.mark.parametrize("machine", ARM64_AND_X86 + ARM32)
def test_tflite_runtime_is_asked_for_only_where_it_has_a_wheel(machine, python):
    everything = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["tflite"]
    assert "tflite-runtime" not in requirements(everything, machine, python)


def test_opencv_is_the_one_without_a_screen():
    names = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert names & {"opencv-python", "opencv-contrib-python"} == set()


def test_tensorflow_is_in_the_convert_extra_only():
    extras = PROJECT["optional-dependencies"]
    lists = {"dependencies": PROJECT["dependencies"], **extras}
    asking = {
        where
        for where, lines in lists.items()
        for line in lines
        if canonicalize_name(Requirement(line).name).startswith(("tensorflow", "keras", "matplotlib"))
    }
    assert asking == {"convert"}
    for machine, package in (("x86_64", "tensorflow-cpu"), ("aarch64", "tensorflow")):
        for python in PYTHONS:
            assert package in requirements(extras["convert"], machine, python)


def test_python_versions_are_those_of_the_lanes():
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = {f"3.{minor}" for minor in range(20) if supported.contains(f"3.{minor}.0")}
    stated = {line.split()[-1] for line in PROJECT["classifiers"] if line.startswith("Programming Language")}
    assert minors == stated == set(PYTHONS)


def test_the_lanes_interpreter_is_the_one_in_use():
    expected = os.environ.get("EMOTION_EDGE_EXPECT_RUNTIME")
    if expected is None:
        pytest.skip("EMOTION_EDGE_EXPECT_RUNTIME is not set: `make test` sets it for each lane")
    runtime = find_runtime()
    assert runtime.name == expected
    assert runtime.version == version(expected)
    for name, module in RUNTIMES.items():
        if name != expected:
            assert importlib.util.find_spec(module.split(".")[0]) is None, f"{name} is in the lane of {expected}"


def test_the_lanes_numpy_is_the_one_for_this_python():
    python = "{}.{}".format(*sys.version_info[:2])
    assert requirements(PROJECT["dependencies"], "x86_64", python)["numpy"].contains(version("numpy"))


def test_the_older_interpreters_lane_has_no_tensorflow():
    if os.environ.get("EMOTION_EDGE_EXPECT_RUNTIME") != "tflite-runtime":
        pytest.skip("another lane")
    for module in ("tensorflow", "keras"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(module)


def pip(*arguments):
    ran = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names of the files in the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), ".")
    (path,) = folder.glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_packages_with_all_their_data(wheel):
    for package in ("edge", "convert"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(ROOT).as_posix() in wheel


def test_the_wheel_holds_what_a_device_needs(wheel):
    assert {f"edge/models/{name}.{kind}" for name in ("normal", "small") for kind in ("tflite", "json")} <= wheel
    assert {"edge/py.typed", "convert/py.typed"} <= wheel
    assert [name for name in wheel if name.startswith("edge/assets/") and not name.endswith(".py")]
    for message in ("event", "state", "info", "health"):
        assert f"edge/messages/schemas/{message}.schema.json" in wheel
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert tops == {"edge", "convert"}
    assert not [name for name in wheel if name.endswith((".keras", ".h5", ".npz", ".mp4", ".pyc"))]
    assert not [name for name in wheel if "test" in Path(name).name]


# The resolver asks the package index for every requirement.
@pytest.mark.once
def test_a_plain_install_brings_no_tensorflow(tmp_path):
    report = tmp_path / "report.json"
    options = ["--dry-run", "--ignore-installed", "--no-build-isolation", "--quiet", "--report", str(report)]
    pip("install", *options, ".")
    installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = {canonicalize_name(item["metadata"]["name"]) for item in installs}
    assert {"emotion-edge", "numpy", "paho-mqtt", "msgspec"} <= names
    assert not {name for name in names if name.startswith(("tensorflow", "keras", "matplotlib", "torch"))}


def test_the_device_lane_is_the_projects_own_requirements(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    script = ROOT / "scripts" / "device_requirements.py"
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    listed = ran.stdout.splitlines()
    left_out = [line for line in PROJECT["dependencies"] if line not in listed]
    assert [canonicalize_name(Requirement(line).name) for line in left_out] == ["ai-edge-litert"]
    assert set(PROJECT["optional-dependencies"]["tflite"]) <= set(listed)
