from pathlib import Path

import pytest

from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.mqtt.settings import broker_settings
from support.mqtt import Certificates


def test_password_stays_out_of_repr() -> None:
    environ = {PASSWORD_VARIABLE: "secret"}
    (found,) = broker_settings(MqttConfig(url="mqtt://h", username="joe"), environ)
    assert found.password == environ[PASSWORD_VARIABLE]
    assert "secret" not in repr(found)


def test_certificate_without_tls_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file = 'ca\.pem' needs an mqtt\.url that starts with mqtts://"):
        broker_settings(MqttConfig(url="mqtt://h", ca_file="ca.pem"), {})


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
