"""How setup tries a broker and a camera: real ones, as far as they can be here."""

import socket

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.commands.setup.brokers import find_brokers, try_broker
from edge.commands.setup.camera import CameraVerdict, try_camera
from edge.commands.setup.service_control import check_here
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config, SourceConfig
from edge.errors import ConfigError, SourceError
from support.held_port import HeldPort


@pytest.fixture
def guarded(make_broker):
    broker = make_broker(users={"sensor": "s3cret"})
    broker.start()
    return broker


def test_broker_is_open_or_asks_or_refuses(broker, guarded):
    assert try_broker(MqttConfig(url=broker.url)).verdict == "open"
    asks = try_broker(MqttConfig(url=guarded.url))
    assert asks.verdict == "asks"
    assert "Not authorized" in asks.reason
    mqtt = MqttConfig(url=guarded.url, username="sensor", fallback_urls=[broker.url])
    assert try_broker(mqtt, "wrong").verdict == "asks"
    assert try_broker(mqtt, "s3cret").verdict == "open"
    port = HeldPort()
    nobody = try_broker(MqttConfig(url=f"mqtt://127.0.0.1:{port.number}"))
    port.release()
    assert nobody.verdict == "refuses"
    assert f"127.0.0.1:{port.number}" in nobody.reason
    with pytest.raises(ConfigError, match="names no host"):
        try_broker(MqttConfig(url="mqtt://"))


def test_brokers_that_answer_are_found_in_their_order(broker, guarded):
    port = HeldPort()
    hosts = [(f"127.0.0.1:{each}", f"place {n}") for n, each in enumerate((guarded.port, port.number, broker.port))]
    found = find_brokers(list, hosts=hosts)
    port.release()
    assert [one.in_words for one in found] == [
        f"{guarded.url} (place 0): wants a user name and a password",
        f"{broker.url} (place 2): accepts the connection",
    ]


def test_host_that_never_answers_does_not_hold_up_the_others(broker):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = [(f"127.0.0.1:{silent.getsockname()[1]}", "hangs"), (f"127.0.0.1:{broker.port}", "works")]
        found = find_brokers(list, hosts=hosts, seconds=1.0)
    assert [one.where for one in found] == ["works"]


def test_actor_before_the_camera_is_found_with_the_width_of_his_face():
    verdict = try_camera(Config(source=SourceConfig(uri="scripted:happy=0.3")))
    assert (verdict.size, verdict.faces, verdict.uri) == ((640, 480), 1, "scripted:happy=0.3")
    assert 150 < verdict.face_px < 350
    assert verdict.in_words.startswith("It gives pictures of 640x480 pixels (brightness ")
    assert "A face is found, " in verdict.in_words


def test_dark_picture_without_anybody_says_so(tmp_path):
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((60, 80), 20, np.uint8))
    verdict = try_camera(Config(source=SourceConfig(uri=str(tmp_path))))
    assert verdict.in_words.startswith(
        "It gives pictures of 80x60 pixels (brightness 20 of 255, too dark: add light). No face is in the picture now."
    )
    assert "too bright" in CameraVerdict((80, 60), 240.0, 0, None, "").in_words
    assert (
        "2 faces are found; the largest is 20 pixels wide (25 %" in CameraVerdict((80, 60), 99.0, 2, 20.0, "").in_words
    )


def test_camera_that_is_not_there_is_an_error():
    with pytest.raises(SourceError, match="There is no camera at /dev/video97"):
        try_camera(Config(source=SourceConfig(uri="v4l2:97")))


def test_check_without_a_service_is_doctor_with_the_password(guarded, tmp_path, capsys, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text(f'[source]\nuri = "scripted:happy=0.3"\n[mqtt]\nurl = "{guarded.url}"\nusername = "sensor"\n')
    monkeypatch.setenv("EMOTION_EDGE_MQTT_PASSWORD", "another")
    assert check_here(file, "s3cret")
    assert "\nok    broker " in capsys.readouterr().out
    file.write_text("[source]\nuri = 7\n")
    assert not check_here(file, None)
    assert "source.uri is 7" in capsys.readouterr().err


def test_command_without_a_terminal_takes_options_and_names_the_one_that_is_missing(guarded, tmp_path, capsys):
    arguments = ["setup", "hall", "--root", str(tmp_path), "--source", "scripted:happy=0.1", "--mqtt", guarded.url]
    assert main([*arguments, "--yes"]) == 2
    assert capsys.readouterr().err == (
        "emotion-edge: without a terminal nothing can be asked (Password): give --password-file FILE\n"
    )
    for port in ("-1", "abc"):
        with pytest.raises(SystemExit):
            main([*arguments, "--preview-port", port])
        assert f"--preview-port: '{port}' is not a whole number of at least 0\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "password").write_text("s3cret")
    arguments += ["--username", "sensor", "--password-file", str(tmp_path / "password")]
    assert main([*arguments, "--no-home-assistant", "--yes"]) == 0
    assert (tmp_path / "etc/emotion-edge/hall.toml").exists()
    assert (tmp_path / "etc/credstore/emotion-edge-hall.mqtt-password").read_text() == "s3cret"
