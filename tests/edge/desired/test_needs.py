"""What [desired] needs on a machine, said by `config check`, `doctor` and the log of `run`."""

import argparse
from pathlib import Path

import pytest

from edge.commands.doctor import command as doctor
from edge.commands.doctor.desired_checks import DesiredChecks
from edge.config.desired_schema import DesiredConfig
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.desired.machine import Progress
from edge.desired.needs import check_desired_use, log_desired_use
from edge.desired.state_file import StateFile
from edge.errors import ConfigError
from support.mqtt import NOW
from support.signed_documents import Key

MQTT = MqttConfig(url="mqtt://h")


def config(key: Key, **changes: object) -> Config:
    return Config(mqtt=MQTT, desired=DesiredConfig(**{"enabled": True, "allowed_signers": str(key.signers)} | changes))


def test_nothing_is_needed_where_it_is_off_and_nothing_is_missing_where_all_is_there(key: Key) -> None:
    check_desired_use(Config(desired=DesiredConfig(allowed_signers="/missing")))
    check_desired_use(config(key))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"allowed_signers": "/missing"}, r"^desired\.allowed_signers is '/missing', which cannot be read"),
        ({"ca_file": "/missing.pem"}, r"^desired\.ca_file is '/missing\.pem', which cannot be used"),
    ],
)
def test_what_is_missing_is_one_sentence_and_keeps_no_sensor_from_running(key: Key, caplog, changes, sentence) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_desired_use(config(key, **changes))
    log_desired_use(config(key, **changes))
    (line,) = [one.getMessage() for one in caplog.records]
    assert line.startswith("the fleet's documents cannot be followed: desired.")


def test_missing_program_and_missing_broker_are_named(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.url is empty: documents come from a broker"):
        check_desired_use(Config(desired=config(key).desired))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="ssh-keygen is not installed"):
        check_desired_use(config(key))


def test_doctor_says_how_far_the_sensor_has_come(key: Key, tmp_path: Path, capsys) -> None:
    environ = {"STATE_DIRECTORY": str(tmp_path)}
    here = Config(mqtt=MQTT, desired=config(key).desired, device=Config().device.__class__(id="cam"))
    (check,) = DesiredChecks(here, environ).by_name().values()
    assert check() == f"documents signed by 'fleet' in {key.signers} are followed; none was accepted yet"
    state = Progress(counter=4, document="november", step="went_back", reason="too slow", since=NOW)
    StateFile(tmp_path / "desired-cam").put(state)
    checks = DesiredChecks(here, environ)
    (check,) = checks.by_name().values()
    assert check().startswith("document 'november' with the counter 4, signed by 'fleet' in ")
    assert check().endswith(f": went back since {NOW}")
    assert checks.take_warnings() == ["too slow", "too slow"]
    assert DesiredChecks(Config()).by_name() == {}
    assert doctor.run(argparse.Namespace(skip=[], only=["desired"]), Config()) == 0
    assert capsys.readouterr().out == ""
