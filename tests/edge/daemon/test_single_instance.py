"""Two sensors with one id and one broker on this machine: the second is refused before it opens anything."""

import os
import signal

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config, DeviceConfig
from edge.daemon.single_instance import claim_device
from edge.errors import ConfigError
from support.program import kill, run, start


def config(url="mqtt://broker.invalid", device="", **mqtt):
    return Config(device=DeviceConfig(id=device or f"test-{os.getpid()}"), mqtt=MqttConfig(url=url, **mqtt))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mqtt://broker.invalid", "mqtt://BROKER.invalid.:1883/"),
        ("mqtt://localhost", "mqtt://127.0.0.1"),
        ("mqtt://[::1]", "mqtt://127.0.0.1:1883"),
        ("mqtt://broker.invalid:8883", "mqtts://broker.invalid"),
    ],
)
def test_one_broker_under_two_spellings_is_one(first, second):
    with claim_device(config(first)), pytest.raises(ConfigError, match=r"device\.id") as refused:
        claim_device(config(second))
    assert f"(process {os.getpid()}" in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        config("mqtt://broker.invalid:1884"),
        config("mqtt://another.invalid"),
        config(device=f"other-{os.getpid()}"),
        config(""),
    ],
)
def test_another_broker_or_another_id_is_no_conflict(other):
    with claim_device(config()), claim_device(other):
        pass


def test_broker_to_fall_back_to_counts_too():
    first = config("mqtt://first.invalid", fallback_urls=["mqtt://broker.invalid"])
    with claim_device(first), pytest.raises(ConfigError, match=r"on the broker broker\.invalid:1883"):
        claim_device(config())


def test_own_client_id_does_not_make_the_topics_another_sensors():
    with claim_device(config()), pytest.raises(ConfigError, match=r"device\.id"):
        claim_device(config(client_id=f"mine-{os.getpid()}"))


def test_client_id_of_two_devices_is_named_as_the_cause():
    first, second = (config(device=f"{name}-{os.getpid()}", client_id=f"one-{os.getpid()}") for name in "ab")
    with claim_device(first), pytest.raises(ConfigError, match=r"^mqtt.client_id 'one-.*set mqtt.client_id to another"):
        claim_device(second)


def test_without_a_broker_any_number_may_run():
    with claim_device(config("")), claim_device(config("")):
        pass


def test_second_program_ends_and_the_first_goes_on(broker, tmp_path):
    """The service, and a person who tries the program: other user folders, so another outbox."""
    settings = {"EMOTION_EDGE_DEVICE_ID": "hall", "EMOTION_EDGE_MQTT_URL": broker.url}
    arguments = ("run", "--source", "scripted:happy=2,none=1?loop=1")
    first = start(*arguments, **settings, STATE_DIRECTORY=str(tmp_path / "service"))
    try:
        assert any("sensor started" in line for line in first.stderr)
        second = run(*arguments, **settings, XDG_STATE_HOME=str(tmp_path / "person"))
        assert second.returncode == 2
        (sentence,) = second.stderr.splitlines()
        assert f"device.id 'hall' is in use on the broker {broker.url.removeprefix('mqtt://')}" in sentence
        assert f"(process {first.pid}" in sentence
        assert sentence.endswith("stop that one, or set device.id to another id for this one")
        assert not (tmp_path / "person").exists(), "it has not touched a thing"
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        _, log = first.communicate(timeout=60)
        assert first.returncode == 0
        assert "lost" not in log, "the broker has never thrown it out"
    finally:
        kill(first)
