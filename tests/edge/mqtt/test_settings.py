import re
from pathlib import Path

import pytest

from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.mqtt.settings import broker_settings, command_client_id
from support.mqtt import Certificates


def test_password_stays_out_of_repr() -> None:
    environ = {PASSWORD_VARIABLE: "secret"}
    (found,) = broker_settings(MqttConfig(url="mqtt://h", username="joe"), environ)
    assert found.password == environ[PASSWORD_VARIABLE]
    assert "secret" not in repr(found)


def test_certificate_without_tls_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file = 'ca\.pem' needs an mqtt\.url that starts with mqtts://"):
        broker_settings(MqttConfig(url="mqtt://h", ca_file="ca.pem"), {})


def test_each_address_has_settings_of_its_own(certificates: Certificates) -> None:
    urls = ["mqtts://a.example", "mqtt://b.example", "wss://c.example", "ws://d.example"]
    found = broker_settings(
        MqttConfig(url=urls[0], fallback_urls=urls[1:], ca_file=str(certificates.ca), alpn=["x"], username="joe"),
        {PASSWORD_VARIABLE: "secret"},
    )
    assert [f"{each.broker.scheme}://{each.broker.host}" for each in found] == urls
    assert [each.tls is not None for each in found] == [True, False, True, False]
    assert [each.key for each in found] == ["mqtt.url"] + 3 * ["mqtt.fallback_urls"]
    assert {(each.username, each.password) for each in found} == {("joe", "secret")}


def test_password_that_a_comma_has_cut_in_two_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"^mqtt\.fallback_urls must hold neither user name nor password") as caught:
        broker_settings(MqttConfig(url="mqtt://h", fallback_urls=["mqtt://joe:hunt", "er2@broker"]), {})
    assert "hunt" not in str(caught.value)


def test_bad_fallback_is_refused_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"^mqtt\.fallback_urls = 'mqtt://:1' names no host"):
        broker_settings(MqttConfig(url="mqtt://h", fallback_urls=["mqtt://:1"]), {})


@pytest.mark.parametrize("urls", [["mqtt://h"], ["mqtt://h", "ws://h"], ["wss://h"]])
def test_alpn_without_an_encrypted_connection_is_refused(urls: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.alpn = \['x'\] needs an mqtt\.url that starts with mqtts://"):
        broker_settings(MqttConfig(url=urls[0], fallback_urls=urls[1:], alpn=["x"]), {})


def test_commands_have_client_ids_of_their_own() -> None:
    default, own = MqttConfig(), MqttConfig(client_id="hall")
    assert re.fullmatch("emotion-edge-watch-[0-9a-f]{8}", command_client_id(default, "watch"))
    assert re.fullmatch("hall-doctor-[0-9a-f]{8}", command_client_id(own, "doctor"))
    assert command_client_id(own, "watch") != command_client_id(own, "watch")


def test_unusable_certificate_file_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    text, missing = tmp_path / "text", tmp_path / "missing"
    text.write_text("no certificate")
    cert, key, other = map(str, (certificates.client_cert, certificates.client_key, certificates.server_key))
    for files, complaint in (
        ({"ca_file": str(missing)}, r"mqtt\.ca_file = .*missing.* cannot be read"),
        ({"ca_file": str(text)}, r"mqtt\.ca_file = .*text.* holds no certificate"),
        ({"cert_file": cert, "key_file": str(missing)}, r"mqtt\.key_file = .*missing.* cannot be read"),
        ({"cert_file": cert, "key_file": other}, r"mqtt\.cert_file = .* cannot be used"),
        ({"cert_file": str(text), "key_file": key}, r"mqtt\.cert_file = .*text.* cannot be used"),
        ({"key_file": key}, r"mqtt\.key_file = .* needs mqtt\.cert_file"),
    ):
        with pytest.raises(ConfigError, match=complaint) as caught:
            broker_settings(MqttConfig(url="mqtts://h", **files), {})
        assert "\n" not in str(caught.value)
