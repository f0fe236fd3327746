"""Which checks `doctor` runs, and what it says of the rights that it runs with."""

import argparse
import io
import platform

import pytest
from msgspec.structs import replace

from edge.commands.doctor import command
from edge.commands.doctor.checks import Checks
from edge.commands.doctor.system_checks import SystemChecks
from edge.config.privacy_schema import IndicatorConfig
from edge.config.schema import Config, DetectorConfig, SourceConfig
from edge.config.state_dir import calm_face_file
from edge.control.calm_face import CalmFaceFile, StoredCalmFace
from edge.daemon.check import check_next_start
from edge.errors import ConfigError, IndicatorError
from edge.system.board import board_name, device_id
from edge.system.led import IndicatorLight
from edge.system.service import Service
from edge.vision.classification.manifest import find_model, load_manifest
from support.fake_leds import FakeLed, FakeLeds

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


def warnings(units, environ, service=None):
    checks = SystemChecks(CONFIG, (units.parent / "none", units), environ, service=service)
    assert f" on {board_name() or platform.machine()}, Python " in checks.by_name()["system"]()
    return checks.take_warnings()


def test_person_is_told_that_the_service_has_fewer_rights(tmp_path):
    assert warnings(tmp_path, {}) == [], "no service is installed"
    (tmp_path / "emotion-edge.service").touch()
    (warning,) = warnings(tmp_path, {})
    assert "and the service emotion-edge has fewer: " in warning
    assert warning.endswith("type 'sudo emotion-edge service check'")
    assert warnings(tmp_path, {"STATE_DIRECTORY": "/var/lib/emotion-edge"}) == [], "this is the service"
    assert warnings(tmp_path, {}, Service("door")) == []
    (tmp_path / "emotion-edge@.service").touch()
    (warning,) = warnings(tmp_path, {}, Service("door"))
    assert "and the service emotion-edge@door has fewer: " in warning
    assert warning.endswith("type 'sudo emotion-edge service check door'")


def test_smaller_faces_than_can_be_found_are_a_warning(capsys):
    config = Config(source=SourceConfig(uri="scripted:none=0.2"), detector=DetectorConfig(min_face=0.05))
    assert command.run(arguments(only=["cascade", "source"]), config) == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warn  source")]
    assert "detector.min_face = 0.05 asks for faces of 24 pixels in frames of 640x480" in warning


LIT = Config(source=SourceConfig(uri="scripted:happy=1"), indicator=IndicatorConfig(led="camera"))


@pytest.fixture
def led(tmp_path):
    with FakeLeds(tmp_path, FakeLed("camera")) as leds:
        yield leds.leds[0]


def light(folder):
    """Return the code, and what the check says of the light; its name is on each line."""
    out = io.StringIO()
    checks = SystemChecks(LIT, leds=folder)
    code = command.doctor([checks], out, {"system", "priority"})
    return code, [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_light_is_tried_and_left_as_it_belongs(led, tmp_path):
    assert light(tmp_path) == (0, ["ok light the LED camera went on and off"])
    assert [brightness for _, brightness in led.history[:2]] == [1, 0]
    led.shine(1)  # a process was killed
    assert light(tmp_path) == (0, ["ok light the LED camera went on and off"])
    assert led.brightness == 0
    service = IndicatorLight("camera", tmp_path)
    service.hold()
    assert light(tmp_path) == (0, ["ok light the LED camera is on: another program has its camera open"])
    assert led.brightness == 1


def test_trigger_of_the_light_is_named_and_removed(led, tmp_path):
    led.write("trigger", b"heartbeat\n")
    code, (ok, warning) = light(tmp_path)
    assert (code, ok) == (0, "ok light the LED camera went on and off")
    assert warning.startswith("warn light the LED camera was switched by the kernel's trigger heartbeat, which is ")
    assert led.trigger == "none"


def test_light_that_cannot_be_used_fails_with_the_way_to_mend_it(led, tmp_path):
    led.writable = False
    code, (line,) = light(tmp_path)
    assert code == 1
    assert line.startswith('FAIL light indicator.led is "camera", but ')
    assert line.endswith(
        "(Permission denied): `sudo emotion-edge service light` lets the service write it, and root may do so"
    )
    led.writable, led.broken = True, True
    assert "stays dark when it is switched on: name one that nothing else switches" in light(tmp_path)[1][0]


def test_configuration_with_an_led_that_is_not_there_is_refused_before_a_start():
    config = Config(source=CONFIG.source, indicator=IndicatorConfig(led="no-such-led"))
    with pytest.raises(IndicatorError, match=r'^indicator\.led is "no-such-led", but there is no such LED: '):
        check_next_start(config, ("indicator.led",))
    check_next_start(config, ("events.margin",))


def test_kept_calm_face_is_told_with_its_time_and_one_of_another_model_is_a_warning(capsys, tmp_path):
    config = replace(CONFIG, mqtt=replace(CONFIG.mqtt, outbox_directory=str(tmp_path)))
    assert command.run(arguments(only=["calm-face"]), config) == 0
    assert capsys.readouterr().out == ""
    manifest = load_manifest(find_model("normal"))
    since, lowered = "2026-11-27T08:00:00.000Z", dict.fromkeys(manifest.labels, 0.1)
    file = CalmFaceFile(calm_face_file(config.mqtt, device_id(config.device.id)))
    file.write(StoredCalmFace(since=since, model_sha256=manifest.sha256, log_odds=lowered))
    assert command.run(arguments(only=["calm-face"]), config) == 0
    assert capsys.readouterr().out.startswith(f"ok    calm-face    kept since {since} (request/calibrate")
    file.write(StoredCalmFace(since=since, model_sha256="0" * 64, log_odds=lowered))
    assert command.run(arguments(only=["calm-face"]), config) == 0
    assert f"warn  calm-face    not in force: {file.file} is of another model than normal" in capsys.readouterr().out


def test_masks_are_told_and_warned_of_where_they_hide_everything(capsys):
    half, whole = [(0, 0), (1, 0), (1, 0.5), (0, 0.5)], [(0, 0), (1, 0), (1, 1), (0, 1)]
    for corners, lines in ((half, ["ok"]), (whole, ["ok", "warn"])):
        assert command.run(arguments(only=["source"]), Config(source=CONFIG.source, masks={"a": corners})) == 0
        out = capsys.readouterr().out
        assert sorted(line.split()[0] for line in out.splitlines()) == lines
        assert f"masks hide {50 if corners is half else 100} % of the picture" in out
    assert "the masks hide all of the picture, so that no face can be found: make one of [masks] smaller" in out
