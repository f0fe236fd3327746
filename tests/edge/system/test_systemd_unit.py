"""Tests the systemd unit: it matches the program, and systemd itself reads it."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config.credentials import SHARED_PREFIX
from edge.system.cpu_slice import SLICE

UNIT = Path(__file__).parents[3] / "systemd" / "emotion-edge.service"
TEMPLATE = UNIT.with_name("emotion-edge@.service")
MAX_EXPOSURE = 1.6
"""Limit of the exposure level that `systemd-analyze security` computes, from 0 (safe) to 10."""


def unit_values(key):
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser["Service"].get(key) or parser["Unit"].get(key)


def test_unit_matches_the_program():
    assert unit_values("Type") == "notify"
    assert unit_values("Restart") == "on-failure"
    assert "kill -HUP $MAINPID" in unit_values("ExecReload"), "the daemon reloads its configuration on SIGHUP"
    assert unit_values("StartLimitIntervalSec") == "0", "a limit would leave the sensor stopped after repeated failures"
    assert unit_values("StateDirectory") == "emotion-edge"
    assert unit_values("RuntimeDirectory") == "emotion-edge"
    assert unit_values("RuntimeDirectoryPreserve") == "yes", "the record of events must outlive a killed process"
    assert int(unit_values("WatchdogSec")) > 15, "opening a camera may take that long"


def lines(unit):
    """Return the lines of a unit without comments."""
    return [line for line in unit.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_unit_of_an_instance_differs_in_what_must_be_its_own_alone():
    mine = [
        "Description=Emotion sensor %i: a camera goes in, MQTT events come out",
        "ExecStart=/opt/emotion-edge/current/bin/emotion-edge run --config /etc/emotion-edge/%i.toml",
        "User=emotion-edge-%i",
        "StateDirectory=emotion-edge-%i",
        "RuntimeDirectory=emotion-edge-%i",
        "LoadCredential=mqtt-password:emotion-edge-%i.mqtt-password",
        "LoadCredential=preview-token:emotion-edge-%i.preview-token",
    ]
    shared = [
        f"LoadCredential={SHARED_PREFIX}{name}:emotion-edge.{name}" for name in ("mqtt-password", "preview-token")
    ]
    expected = []
    for line in lines(UNIT):
        expected += [next((one for one in mine if line.replace("/config.toml", "/%i.toml") == stem(one)), line)]
        if line.startswith("LoadCredential="):
            expected.append(shared.pop(0))
    assert lines(TEMPLATE) == expected
    assert set(mine) <= set(expected)


def stem(line):
    """Return a line of the template as the unit of the single service has it."""
    return line.replace(" %i:", ":").replace("emotion-edge-%i", "emotion-edge")


def test_both_units_are_in_the_slice_whose_processor_time_the_sensors_read():
    assert unit_values("Slice") == SLICE


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize(("file", "name"), [(UNIT, UNIT.name), (TEMPLATE, "emotion-edge@door.service")])
def test_systemd_accepts_every_line_of_the_unit(file, name, tmp_path):
    # The program need not be installed here: another one takes its place.
    unit = tmp_path / name
    unit.write_text(file.read_text(encoding="utf-8").replace("/opt/emotion-edge/current/bin/emotion-edge", "/bin/true"))
    found = analyze("verify", "--man=no", str(unit))
    complaints = [line for line in (found.stdout + found.stderr).splitlines() if name in line]
    assert not complaints
    assert found.returncode == 0, found.stderr


@needs_systemd
def test_unit_is_hardened():
    found = analyze("security", "--offline=true", str(UNIT))
    if "offline" in found.stderr and found.returncode:
        pytest.skip(f"systemd-analyze does not know --offline: {found.stderr.strip()}")
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert exposure, found.stdout + found.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE
