"""Setup as a whole, on a machine of the test: what is asked, what is tried, what is written, what is started."""

import dataclasses
import os
import socket
import tomllib
from pathlib import Path

import pytest

from edge.commands.setup.dialogue import StoppedError
from edge.commands.setup.text import new_configuration
from edge.config.loader import load
from edge.errors import ConfigError
from edge.system.service import Service

ROOT = Path(__file__).parents[4]
LOCAL, HOME = "mqtt://localhost", "mqtt://homeassistant.local"


def values(file):
    return tomllib.loads(file.read_text())


def test_new_configuration_is_that_of_an_installation():
    assert new_configuration(Service()) == (ROOT / "systemd/config.toml").read_text(encoding="utf-8")


def test_enter_at_every_question_takes_what_was_found(setup):
    setup.brokers = {LOCAL: None}
    assert setup.run("", "", "", "") == 0
    assert values(setup.config) == {
        "source": {"uri": "v4l2:usb-Webcam-index0"},
        "mqtt": {"url": LOCAL, "username": ""},
        "homeassistant": {"enabled": False},
    }
    assert setup.config.stat().st_mode & 0o777 == 0o644
    assert setup.systemctl.commands == ["enable emotion-edge", "restart emotion-edge"]
    assert all("[" in question for question in setup.asked)
    assert "It gives pictures of 640x480 pixels (brightness 120 of 255). A face is found, 192 pixels wide" in setup.said
    assert "runs, and starts with this device from now on: systemctl status emotion-edge\n" in setup.said
    assert setup.said.endswith(f"To see its events: emotion-edge watch --config {setup.config}\n")
    assert not setup.place.password_file.exists()


def test_broker_of_home_assistant_is_asked_for_a_user_and_the_password_is_stored_apart(setup):
    setup.brokers, setup.homes = {HOME: ("sensor", "s3cret")}, {HOME}
    assert setup.run("", "", "sensor", "wrong", "sensor", "s3cret", "", "") == 0
    assert values(setup.config)["mqtt"] == {"url": HOME, "username": "sensor"}
    assert values(setup.config)["homeassistant"] == {"enabled": True}
    assert setup.place.password_file.read_text() == "s3cret"
    assert setup.place.password_file.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in setup.said + setup.config.read_text()
    assert "Not authorized" in setup.said
    assert "a user's of Home Assistant" in setup.said
    end = "before, in the same terminal:\n"
    end += '  read -rsp "Broker password: " EMOTION_EDGE_MQTT_PASSWORD && export EMOTION_EDGE_MQTT_PASSWORD\n'
    assert setup.said.endswith(end)


def test_at_most_six_questions_are_asked(setup):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    assert setup.run("1", "1", "sensor", "s3cret", "n", "y") == 0
    assert len(setup.asked) == 6


def test_camera_or_broker_that_cannot_be_used_is_asked_for_again(setup):
    setup.unusable = {"v4l2:usb-Webcam-index0"}
    setup.brokers = {LOCAL: None}
    assert setup.run("1", "rtsp://cam/x", "mqtt://nowhere", "1", "n", "y") == 0
    assert "The camera v4l2:usb-Webcam-index0 cannot be opened\n" in setup.said
    assert "no broker at mqtt://nowhere\n" in setup.said
    assert values(setup.config)["source"] == {"uri": "rtsp://cam/x"}


def test_three_wrong_passwords_lead_back_to_the_choice_of_the_broker(setup):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    assert setup.run("", "", "a", "1", "a", "2", "a", "3", "none", "y") == 0
    assert values(setup.config)["mqtt"]["url"] == ""


EXISTING = """\
# the sensor in the hall
[source]
uri = "v4l2:usb-Webcam-index0"   # above the door
rotate = 180

[masks]
window = [[0.6, 0.0], [1.0, 0.0], [1.0, 0.5]]

[mqtt]
url = "mqtt://localhost"
username = "sensor"
"""


def write_existing(setup, text=EXISTING):
    setup.config.parent.mkdir(parents=True, exist_ok=True)
    setup.config.write_text(text)


def test_existing_configuration_gives_the_defaults_and_keeps_its_comments_and_other_keys(setup):
    write_existing(setup)
    setup.place.password_file.parent.mkdir(parents=True)
    setup.place.password_file.write_text("s3cret\n")
    setup.brokers = {LOCAL: ("sensor", "s3cret"), HOME: None}
    assert setup.run("", "", "y", "y") == 0
    assert setup.config.read_text() == EXISTING + "\n[homeassistant]\nenabled = true\n"
    copy = setup.config.with_name("config.toml.before-setup")
    assert copy.read_text() == EXISTING
    assert f"The configuration as it was is kept in {copy}." in setup.said
    assert "  + enabled = true\n" in setup.said
    assert "window" not in setup.said
    assert setup.place.password_file.read_text() == "s3cret\n"


def test_answers_that_change_nothing_leave_the_file_alone(setup):
    write_existing(setup, EXISTING.replace('username = "sensor"', 'username = ""') + "[homeassistant]\nenabled=false\n")
    setup.brokers = {LOCAL: None}
    before = setup.config.stat()
    assert setup.run("", "", "", "") == 0
    assert setup.asked[-1] == "Check every part, and start the service? [Y/n]: "
    assert setup.run("", "", "", "n") == 1
    assert setup.asked[-1] == "Check every part, and start the service again? [Y/n]: "
    assert setup.said.endswith("Nothing was changed.\n")
    assert setup.run(asks=False, yes=True, root=setup.folder) == 0
    assert setup.said.endswith(f"{setup.config} stays as it is.\nNothing is to be written.\n")
    assert setup.config.stat() == before
    assert list(setup.config.parent.iterdir()) == [setup.config]


def test_camera_that_the_running_service_has_is_taken_without_a_look(setup):
    write_existing(setup)
    setup.unusable = setup.held = {"v4l2:usb-Webcam-index0"}
    assert setup.run("", "none", "y") == 0
    assert "The service runs and has this camera, so that no picture was looked at here.\n" in setup.said


@pytest.mark.parametrize("text", ["[source]\nuri = 7\n", "broken", 'source.uri = "x"\n[mqtt]\nurl=""\nx=1\n'])
def test_configuration_that_cannot_be_used_is_not_replaced(setup, text):
    write_existing(setup, text)
    with pytest.raises(ConfigError, match=r"\(mend the file, or move it away, and set up again\)$"):
        setup.run()
    assert setup.config.read_text() == text


def test_configuration_that_is_written_otherwise_is_not_damaged(setup):
    write_existing(setup, 'source = { uri = "v4l2:usb-Webcam-index0" }\n')
    with pytest.raises(ConfigError, match=f"^{setup.config}: it is written in a way"):
        setup.run("auto:", "none")
    assert setup.config.read_text() == 'source = { uri = "v4l2:usb-Webcam-index0" }\n'


def test_check_that_fails_keeps_the_configuration_and_starts_nothing(setup):
    setup.systemctl.share_service(exit_code=1, shown="FAIL  source")
    assert setup.run("", "", "") == 1
    assert setup.config.exists()
    assert setup.systemctl.commands == []
    assert setup.said.endswith("Repair what is marked FAIL, then type: sudo systemctl enable --now emotion-edge\n")
    setup.systemctl.active = True
    assert setup.run("", "", "") == 1
    assert "The service emotion-edge runs, and goes on with the configuration as it was. Repair what" in setup.said
    assert setup.said.endswith("then type: sudo systemctl restart emotion-edge\n")


WAITS = "No camera is connected: with a broker the service will not start until one is.\n"


def test_automatic_choice_without_a_camera_but_with_a_broker_is_not_written_by_enter(setup):
    setup.cameras, setup.unusable, setup.brokers = [], {"auto:"}, {LOCAL: None}
    assert setup.run("", "", "", "") == 1
    assert setup.said.endswith(f"{WAITS}Nothing was changed.\n")
    assert setup.asked[-1] == "Write this, and start the service? [y/N]: "
    assert not setup.config.exists()
    assert setup.run("", "", "", "y") == 0
    setup.config.unlink()
    setup.systemctl.share_service(exit_code=1, shown="FAIL  source")
    assert setup.run(asks=False, yes=True) == 1
    assert f"{WAITS}It is written all the same, because --yes was given.\n" in setup.said
    assert "runs, and goes on with the configuration as it was" in setup.said
    setup.config.unlink()
    assert setup.run("", "none", "") == 1
    assert WAITS not in setup.said
    assert setup.run(asks=False, yes=True, root=setup.folder) == 0
    assert WAITS not in setup.said


def test_answer_no_changes_nothing(setup):
    assert setup.run("", "", "no") == 1
    assert not setup.config.exists()
    assert setup.run("", "", "perhaps", "n") == 1
    assert "Please answer y for yes or n for no." in setup.said


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(("end", "error"), [(KeyboardInterrupt(), KeyboardInterrupt), (EOFError(), StoppedError)])
def test_end_of_the_answers_at_any_question_changes_nothing(setup, number, end, error):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    write_existing(setup)
    answers = ["1", "1", "other", "s3cret", "n", "y"][:number]
    with pytest.raises(error, match=r"^$|nothing was changed$"):
        setup.run(*answers, end)
    assert setup.config.read_text() == EXISTING
    assert list(setup.config.parent.iterdir()) == [setup.config]
    assert setup.systemctl.commands == []


def test_ctrl_c_while_the_service_starts_puts_files_and_service_back(setup):
    write_existing(setup)
    setup.systemctl.active = True
    really = setup.systemctl.run

    def interrupted(command):
        done = really(command)
        if command[1] == "restart" and setup.systemctl.commands.count("restart emotion-edge") == 1:
            raise KeyboardInterrupt
        return done

    setup.systemctl.run = interrupted
    with pytest.raises(KeyboardInterrupt):
        setup.run("auto:", "none", "y")
    assert setup.config.read_text() == EXISTING
    assert list(setup.config.parent.iterdir()) == [setup.config]
    assert (setup.systemctl.enabled, setup.systemctl.active) == (False, True)
    assert setup.systemctl.commands[-2:] == ["disable emotion-edge", "restart emotion-edge"]


def test_instance_gets_a_file_a_password_and_a_page_port_of_its_own(setup):
    write_existing(setup, "[preview]\nport = 8377\n")
    setup.config.with_name("hall.toml").write_text("[preview]\nport = 8378\n")
    os.mkfifo(setup.config.with_name("pipe.toml"))  # reading it would never end
    setup.service = Service("door")
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    assert setup.run("", "", "sensor", "s3cret", "", "") == 0
    assert setup.config.name == "door.toml"
    preview = values(setup.config)["preview"]
    assert preview["enabled"] is False
    assert preview["port"] >= 8379
    assert setup.place.password_file.name == "emotion-edge-door.mqtt-password"
    assert "sudo systemctl restart emotion-edge@door" in setup.config.read_text()
    assert "emotion-edge-door.mqtt-password" in setup.config.read_text()
    assert setup.systemctl.commands[-1] == "restart emotion-edge@door"
    config = load(setup.config, {})
    assert (config.source.uri, config.mqtt.username) == ("v4l2:usb-Webcam-index0", "sensor")


def test_port_that_another_program_has_is_not_taken_for_the_page(setup):
    setup.service = Service("door")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert setup.run(source="auto:", mqtt="none", yes=True, asks=False, preview_port=server.getsockname()[1]) == 0
    assert values(setup.config)["preview"]["enabled"] is True
    setup.config.unlink()
    taken = []
    try:
        for port in (8377, 8378):
            try:
                taken.append(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue  # another program has it anyway
        assert setup.run(source="auto:", mqtt="none", yes=True, asks=False) == 0
    finally:
        for server in taken:
            server.close()
    assert values(setup.config)["preview"]["port"] >= 8379


def test_page_can_be_switched_on_and_off_by_an_option(setup):
    assert setup.run(source="auto:", mqtt="none", yes=True, asks=False, preview_port=8400) == 0
    assert values(setup.config)["preview"] == {"enabled": True, "port": 8400}
    assert setup.run(source="auto:", mqtt="none", yes=True, asks=False, preview_port=0) == 0
    assert values(setup.config)["preview"] == {"enabled": False, "port": 8400}


def test_device_that_is_prepared_elsewhere_is_only_written(setup, tmp_path):
    setup.brokers = {}
    options = {"source": "picamera:0", "mqtt": HOME, "home_assistant": True}
    assert setup.run(asks=False, yes=True, root=tmp_path, **{**options, "mqtt": "none", "home_assistant": None}) == 0
    assert setup.systemctl.commands == []


def test_user_who_may_not_write_is_told_before_the_first_question_and_shown_the_result(setup, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match=f"^not even root may write into {setup.folder}: its file system must be"):
        setup.run()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert setup.run("", "") == 1
    beginning, end = setup.said.split("Looking for cameras")
    assert f"You may not write {setup.config}." in beginning
    assert "type: sudo emotion-edge setup\n" in beginning
    assert '  uri = "v4l2:usb-Webcam-index0"\n' in end
    assert end.endswith("Nothing was written, because that needs root: type the same command behind sudo.\n")
    assert not setup.config.exists()


def test_password_that_is_typed_takes_the_place_of_a_file_that_the_configuration_names(setup):
    write_existing(setup, '[mqtt]\nurl = "mqtt://localhost"\nusername = "sensor"\npassword_file = "/old"  # gone\n')
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    assert setup.run("auto:", "", "", "s3cret", "n", "y") == 0
    assert 'password_file = ""  # gone\n' in setup.config.read_text()
    assert setup.place.password_file.read_text() == "s3cret"
    assert (LOCAL, "sensor", "s3cret") in setup.tried


def test_number_that_is_no_choice_and_address_with_a_password_are_asked_for_again(setup):
    setup.brokers = {LOCAL: None}
    assert setup.run("97", "1", "77", "mqtt://u:s3cret@h", "1", "", "n") == 1
    assert "There is no choice 97.\n" in setup.said
    assert "There is no choice 77.\n" in setup.said
    assert "the address must hold neither user name nor password: type it without them" in setup.said
    assert "s3cret" not in setup.said


def test_byte_order_mark_of_a_configuration_stays(setup):
    write_existing(setup, "\ufeff" + EXISTING)
    setup.brokers = {LOCAL: None}
    assert setup.run("auto:", "", "", "") == 0
    assert setup.config.read_bytes().startswith(b"\xef\xbb\xbf# the sensor in the hall\n")
    assert load(setup.config, {}).source.uri == "auto:"


def test_password_that_is_stored_already_is_not_written_again(setup, tmp_path):
    setup.brokers = {LOCAL: ("sensor", "s3cret")}
    (tmp_path / "password").write_text("s3cret\n")
    options = {"source": "scripted:", "mqtt": LOCAL, "username": "sensor", "password_file": tmp_path / "password"}
    assert setup.run("n", "y", **options) == 0
    before = setup.place.password_file.stat()
    assert setup.run("n", "y", **options) == 0
    assert setup.place.password_file.stat() == before
    assert setup.asked[-1].startswith("Check every part")
    setup.place.password_file.chmod(0o644)
    assert setup.run("n", "y", **options) == 0
    assert setup.place.password_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("typed", "url"), [("10.0.0.9", "mqtt://10.0.0.9"), ("homeassistant.local", HOME)])
def test_bare_host_is_a_broker_and_home_assistant_is_known_by_its_name(setup, typed, url):
    setup.brokers = {url: None}
    offered = setup.tools()
    setup.tools = lambda: dataclasses.replace(offered, find_brokers=list)
    assert setup.run("", typed, "", "") == 0
    assert values(setup.config)["mqtt"]["url"] == url
    setup.config.unlink()
    assert setup.run(asks=False, yes=True, mqtt=typed) == 0
    assert values(setup.config)["mqtt"]["url"] == url
    assert values(setup.config)["homeassistant"]["enabled"] is (url == HOME)
