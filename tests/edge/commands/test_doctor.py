"""Which checks `doctor` runs, and what it says of the rights that it runs with."""

import argparse
import io

import pytest

from edge.commands.doctor import command
from edge.commands.doctor.checks import Checks
from edge.commands.doctor.system_checks import SystemChecks
from edge.config.schema import Config, DetectorConfig, SourceConfig
from edge.errors import ConfigError

CONFIG = Config(source=SourceConfig(uri="scripted:happy=1"))


class Two(Checks):
    """Two checks that succeed."""

    def by_name(self):
        return {"first": lambda: "one", "second": lambda: "two"}


def arguments(**chosen):
    return argparse.Namespace(**({"skip": [], "only": []} | chosen))


def test_skipped_check_is_not_run():
    out = io.StringIO()
    assert command.doctor([Two(CONFIG)], out, {"first"}) == 0
    assert [line.split() for line in out.getvalue().splitlines()] == [["ok", "second", "two"]]


def test_only_the_named_checks_run(capsys):
    assert command.run(arguments(only=["priority", "source"]), CONFIG) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["priority", "source"]


@pytest.mark.parametrize("option", ["skip", "only"])
def test_name_of_no_check_is_refused_with_all_names(option):
    with pytest.raises(ConfigError, match=rf"--{option} camera: the checks of doctor are system, .*source.*, page$"):
        command.run(arguments(**{option: ["camera"]}), CONFIG)


def test_check_of_a_part_that_is_off_can_be_skipped(capsys):
    assert command.run(arguments(only=["page"]), CONFIG) == 0
    assert capsys.readouterr().out == ""


def warnings(unit, environ):
    checks = SystemChecks(CONFIG, unit, environ)
    checks.by_name()["system"]()
    return checks.take_warnings()


def test_person_is_told_that_the_service_has_fewer_rights(tmp_path):
    unit = tmp_path / "emotion-edge.service"
    assert warnings(unit, {}) == [], "no service is installed"
    unit.touch()
    (warning,) = warnings(unit, {})
    assert "'sudo systemd/install --check'" in warning
    assert warnings(unit, {"STATE_DIRECTORY": "/var/lib/emotion-edge"}) == [], "this is the service"


def test_smaller_faces_than_can_be_found_are_a_warning(capsys):
    config = Config(source=SourceConfig(uri="scripted:none=0.2"), detector=DetectorConfig(min_face=0.05))
    assert command.run(arguments(only=["cascade", "source"]), config) == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warn  source")]
    assert "detector.min_face = 0.05 asks for faces of 24 pixels in frames of 640x480" in warning
