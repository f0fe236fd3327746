"""The first run that asks, on a real terminal, with a broker that wants a password and the built-in actor."""

import re
import tomllib

import pytest

from support.terminal import on_terminal

SECRET = "correct horse"  # noqa: S105 - of a broker that lives for a second


@pytest.fixture
def broker(make_broker):
    broker = make_broker(users={"sensor": SECRET})
    broker.start()
    return broker


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_answers_become_the_configuration_and_the_password_is_never_shown(broker, tmp_path):
    with on_terminal("setup", "--root", tmp_path) as terminal:
        terminal.answer("network camera", "scripted:happy=0.3?seed=1")
        terminal.answer("address such as", broker.url)
        terminal.answer("User name", "\udcff")
        terminal.wait("The answer is not UTF-8 text. Please type it again.\nUser name.*: $")
        terminal.type("sensor")
        terminal.wait("Password.*: $")
        assert not terminal.echoes
        terminal.type("\udcff")
        terminal.wait("The answer is not UTF-8 text. Please type it again.\nPassword.*: $")
        assert not terminal.echoes
        terminal.type(SECRET)
        terminal.answer("Home Assistant", "y")
        terminal.answer("Write this", "")
        assert terminal.end() == 0
        text = terminal.text
    assert (
        len(re.findall(r"\[[^]\n]*\]: ", text)) + text.count("nothing is shown while you type") == 6 + 2
    )  # two were asked again
    assert "A face is found, " in text
    assert SECRET not in text
    assert files_below(tmp_path) == {"etc/emotion-edge/config.toml", "etc/credstore/emotion-edge.mqtt-password"}
    config, password = tmp_path / "etc/emotion-edge/config.toml", tmp_path / "etc/credstore/emotion-edge.mqtt-password"
    content = tomllib.loads(config.read_text())
    assert content["source"]["uri"] == "scripted:happy=0.3?seed=1"
    assert content["mqtt"] == {"url": broker.url, "username": "sensor"}
    assert content["homeassistant"]["enabled"] is True
    assert (password.read_text(), password.stat().st_mode & 0o777) == (SECRET, 0o600)
    assert SECRET not in config.read_text()


def test_ctrl_c_at_the_password_leaves_the_terminal_and_the_files_as_they_were(broker, tmp_path):
    config = tmp_path / "etc/emotion-edge/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[source]\nuri = "scripted:happy=0.3"\n')
    with on_terminal("setup", "--root", tmp_path, "--source", "scripted:happy=0.3", "--mqtt", broker.url) as terminal:
        terminal.answer("User name", "")
        terminal.wait("Password.*: $")
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert terminal.echoes
    assert "Traceback" not in terminal.text
    assert files_below(tmp_path) == {"etc/emotion-edge/config.toml"}
    assert config.read_text() == '[source]\nuri = "scripted:happy=0.3"\n'
